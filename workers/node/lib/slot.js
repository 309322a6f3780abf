// One child process, as the worker sees it: begun when it is needed first, kept for the next job, killed when it must.
import { fork } from "node:child_process";
import { fileURLToPath } from "node:url";

const CHILD = fileURLToPath(new URL("child.js", import.meta.url));
const HIDDEN = ["CRATON_WORKER_TOKEN", "CRATON_SECRET", "CRATON_BROKER", "CRATON_DATABASE"]; // what handlers have no use for
const STOPS_WITHIN = 1_000; // milliseconds, before it is killed

export class Slot {
  constructor(handlers) {
    this.handlers = handlers;
  }

  begin() {
    if (this.child) return;
    const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !HIDDEN.includes(name)));
    const child = fork(CHILD, [this.handlers], { detached: true, serialization: "advanced", env });
    this.child = child;
    child.on("message", (message) => (message.told ? this.tell?.(message.told) : this.end(message.ended)));
    child.on("error", () => {}); // "exit" follows, or it could not be begun
    child.on("exit", (status, sign) => {
      kill(child.pid); // what it started, and left
      if (this.child !== child) return;
      this.child = null;
      this.end({ failure: { code: "crashed", message: `the handler's process ended with ${sign ?? status}`, retryable: true } });
    });
  }

  // Run one job; resolves to { result } or { failure }.
  run(event, tell) {
    this.begin();
    this.tell = tell;
    return new Promise((done) => {
      this.done = done;
      this.child.send({ event }, (error) => error && this.kill());
    });
  }

  end(how) {
    this.done?.(how);
    this.done = this.tell = null;
  }

  // Ask the job to stop, and see to it; resolves when nothing of it runs.
  async stop() {
    if (!this.child || !this.done) return;
    const gone = new Promise((done) => this.child.once("exit", done));
    this.child.send({ stop: true }, () => {});
    const timer = setTimeout(() => this.kill(), STOPS_WITHIN);
    const ended = this.done;
    await Promise.race([gone, new Promise((done) => (this.done = (how) => done(ended(how))))]);
    clearTimeout(timer);
    this.kill(); // what the handler started and did not wait for
    await gone;
  }

  kill() {
    if (this.child) kill(this.child.pid);
  }
}

// Kill a process and its group, which it leads.
function kill(pid) {
  try {
    process.kill(-pid, "SIGKILL");
  } catch {
    // it is gone
  }
}
