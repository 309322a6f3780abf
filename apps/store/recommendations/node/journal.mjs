// The service's own books: a file to which each event that is applied is added, and made durable before it is confirmed.

import { closeSync, fdatasyncSync, ftruncateSync, openSync, readFileSync, writeSync } from "node:fs";

// Keeps the place in each stream, and applies events by `apply(type, data)`, each once: those that the file holds when
// it is opened, and then those that are received.
export class Journal {
  constructor(path, apply) {
    this.apply = apply;
    this.latest = new Map(); // "source stream" -> number of the last event applied
    this.alone = new Set(); // ids of events that belong to no stream
    this.file = openSync(path, "a+");
    this.replay(readFileSync(path));
  }

  replay(data) {
    const whole = data.lastIndexOf("\n") + 1; // what follows was being written when the process died
    ftruncateSync(this.file, whole);
    for (const line of data.subarray(0, whole).toString().split("\n")) if (line) this.note(JSON.parse(line));
  }

  note({ source, stream, sequence, id, type, data }) {
    if (stream) this.latest.set(`${source} ${stream}`, sequence);
    else this.alone.add(id);
    this.apply(type, data);
  }

  // What becomes of each CloudEvent of a batch: { status: "taken" | "early" | "later", expected }. `known` says by type
  // what is kept of an event.
  receive(events, known) {
    const lines = [];
    const verdicts = events.map((event) => this.take(event, known, lines));
    if (lines.length) this.write(lines.join(""));
    return verdicts;
  }

  write(text) {
    try {
      writeSync(this.file, text);
      fdatasyncSync(this.file);
    } catch (error) {
      console.error(error);
      process.exit(1); // what is in memory is not durable: the next start knows what is
    }
  }

  take(event, known, lines) {
    const [stream, sequence] = [event.partitionkey ?? "", Number(event.sequence)];
    const latest = this.latest.get(`${event.source} ${stream}`) ?? 0;
    if (stream ? sequence <= latest : this.alone.has(event.id)) return { status: "taken" }; // it is known
    if (stream && sequence > latest + 1 && !event.gap) return { status: "early", expected: latest + 1 };
    if (!known.has(event.type)) return { status: "later" }; // newer code will know it
    const { source, id, type } = event;
    const noted = { source, stream, sequence, id, type, data: known.get(type)(event.data) };
    this.note(noted);
    lines.push(JSON.stringify(noted) + "\n");
    return { status: "taken" };
  }

  close() {
    closeSync(this.file);
  }
}
