// What has rung: held until there is a slot for it, answered by taking the job, and given back when there is none.
import { setTimeout as pause } from "node:timers/promises";
import { weightOf } from "./controller.js";

const HELD = 200; // milliseconds that a bell waits for a slot, before other workers may have it
const AGAIN = 1_000; // milliseconds before a bell is given back whose controller gives no answer

export class Bells {
  constructor(worker, ear) {
    Object.assign(this, { worker, ear, held: [], reserved: 0, taking: new Set(), timer: null, closed: false });
  }

  // One has rung. `bell` has `body`, and ack, back and bury.
  heard(bell) {
    bell.event = eventOf(bell.body);
    if (!bell.event) {
      this.worker.log(`what rang cannot be read, and goes to the dead letters: ${bell.body.toString().slice(0, 200)}`);
      return bell.bury();
    }
    this.held.push(bell);
    this.ring();
  }

  get room() {
    return this.worker.room - this.reserved;
  }

  // Take what there is room for. While there is none what rings is held for a moment, and then wanted no more.
  ring() {
    const fitting = this.fitting();
    for (const [door, bells] of grouped(fitting, (bell) => this.worker.doorOf(bell.event.taskmodule))) this.answer(door, bells);
    if (this.held.length || this.room <= 0) {
      this.timer ??= setTimeout(() => this.giveBack(), HELD);
    } else if (!this.closed) {
      clearTimeout(this.timer);
      this.timer = null;
      this.ear.wants(true);
    }
  }

  fitting() {
    const bells = [];
    while (this.held.length && !this.closed) {
      const weight = weightOf(this.held[0].event);
      const alone = !this.worker.used && !this.reserved && !bells.length;
      if (weight > this.room && !alone) break;
      bells.push(this.held.shift());
      this.reserved += weight;
    }
    return bells;
  }

  // Take the jobs that rang; those that are not given are not to be done, by this worker or at all.
  answer(door, bells) {
    const weight = bells.reduce((sum, bell) => sum + weightOf(bell.event), 0);
    const taken = this.take(door, bells, weight).finally(() => this.taking.delete(taken));
    this.taking.add(taken);
  }

  async take(door, bells, weight) {
    try {
      if (!door) throw new Error(`CRATON_CONTROLLERS has no controller of the module ${bells[0].event.taskmodule}`);
      const jobs = bells.map((bell) => bell.event.taskid);
      const asked = { room: this.worker.room - this.reserved + weight, most: jobs.length, jobs };
      const events = await this.worker.ask(door, asked);
      this.reserved -= weight;
      this.worker.begin(events, door);
      bells.forEach((bell) => bell.ack());
    } catch (error) {
      door ? door.lost(error) : this.worker.log(error.message);
      await pause(AGAIN, null, { signal: this.worker.stopping.signal }).catch(() => {});
      this.reserved -= weight;
      bells.forEach((bell) => bell.back());
    }
    this.worker.changed();
  }

  async giveBack() {
    await this.ear.wants(false); // else they would come back
    this.held.splice(0).forEach((bell) => bell.back());
  }

  // Hear no more; what was heard and not answered is given back.
  async close() {
    this.closed = true;
    clearTimeout(this.timer);
    await this.giveBack();
    await Promise.all(this.taking);
    await this.ear.close();
  }
}

function eventOf(body) {
  try {
    const event = JSON.parse(body);
    return typeof event?.taskid === "string" && typeof event.taskmodule === "string" ? event : null;
  } catch {
    return null;
  }
}

function grouped(items, key) {
  const groups = new Map();
  for (const item of items) groups.set(key(item), [...(groups.get(key(item)) ?? []), item]);
  return groups;
}
