// What a handler holds in its hands, in the process that runs it.
import { spawn } from "node:child_process";
import { JobError } from "./errors.js";

const OUTPUT_KEPT = 16_384; // characters of what a program wrote to stderr

export class Job {
  constructor(event, { blobs, signal, tell }) {
    Object.assign(this, { event, blobs, signal, tell });
    this.id = event.taskid;
    this.attempt = event.taskattempt;
    this.fence = event.taskfence;
    this.folder = event.taskfolder; // where this attempt may write, in `blobs`
    this.checkpoint = event.taskcheckpoint ? JSON.parse(event.taskcheckpoint) : null;
  }

  // From 0 to 1. The checkpoint, any JSON, is what a later attempt finds as `job.checkpoint`.
  progress(done, checkpoint) {
    if (!(done >= 0 && done <= 1)) throw new TypeError(`progress is from 0 to 1, and not ${done}`);
    this.tell({ progress: done, checkpoint });
  }

  // Run a program to its end, killed with the job. `line` is called with each line that it writes to stdout.
  // Resolves to all of its stdout; a program that fails is a failure that may be tried again.
  run(program, args, { line, env } = {}) {
    return new Promise((done, failed) => {
      const child = spawn(program, args, { env: env ?? process.env, stdio: ["ignore", "pipe", "pipe"], signal: this.signal, killSignal: "SIGKILL" });
      let [out, err, rest] = ["", "", ""];
      child.stdout.setEncoding("utf8").on("data", (text) => {
        if (!line) return void (out += text);
        const lines = (rest + text).split("\n");
        rest = lines.pop();
        lines.forEach(line);
      });
      child.stderr.setEncoding("utf8").on("data", (text) => (err = (err + text).slice(-OUTPUT_KEPT)));
      child.on("error", failed);
      child.on("close", (status, sign) => {
        if (status === 0) return done(out);
        failed(new JobError(`${program} ended with ${sign ?? status}: ${err.trim().slice(-2000)}`, { code: program, retryable: true }));
      });
    });
  }
}
