// The handlers that the conformance kit asks for.
import fs from "node:fs/promises";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { setTimeout as pause } from "node:timers/promises";
import { JobError, Retry } from "../lib/index.js";

const answer = (job, text) => ({ text, attempt: job.attempt, folder: job.folder, checkpoint: job.checkpoint ? JSON.stringify(job.checkpoint) : "" });

async function wait({ gate, progress, checkpoint, file }, job) {
  if (file) await job.blobs.put(`${job.folder}/${file}`, "made");
  if (progress != null) job.progress(progress, checkpoint);
  while (!(await fs.access(gate).then(() => true, () => false))) await pause(20, null, { signal: job.signal });
  return answer(job, "");
}

async function child({ file }, job) {
  const sleep = spawn("sleep", ["3600"]);
  await fs.writeFile(file, String(sleep.pid));
  await once(sleep, "exit");
  return answer(job, "");
}

async function stubborn({ file }) {
  await fs.writeFile(file, String(process.pid));
  for (;;);
}

export default {
  "kit.echo": async ({ text }, job) => answer(job, text),
  "kit.wait": wait,
  "kit.child": child,
  "kit.stubborn": stubborn,
  "kit.large": async ({ bytes }, job) => answer(job, "x".repeat(bytes)),
  "kit.break": async ({ message }) => {
    throw new Error(message);
  },
  "kit.fail": async ({ message, retryable, after }) => {
    throw retryable ? new Retry(message, { after }) : new JobError(message, { code: "refused" });
  },
};
