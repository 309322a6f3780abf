// The process that runs handlers, one job at a time, killed with all it started when a job must stop.
import { pathToFileURL } from "node:url";
import { Blobs } from "./blobs.js";
import { JobError, failureOf } from "./errors.js";
import { Job } from "./job.js";

const LARGEST_RESULT = 2 ** 20; // bytes

const handlers = (await import(pathToFileURL(process.argv[2]))).default;
let abort = new AbortController();

// The worker has died: nothing that was started here may outlive it. (This process leads a group of its own.)
process.on("disconnect", () => process.kill(-process.pid, "SIGKILL"));
process.on("SIGINT", () => {}); // of a terminal: the worker sees to it

process.on("message", async (message) => {
  if (message.stop) return abort.abort();
  abort = new AbortController();
  process.send({ ended: await ended(message.event, abort.signal) });
});

async function ended(event, signal) {
  try {
    const handler = Object.hasOwn(handlers, event.taskname) ? handlers[event.taskname] : null;
    if (!handler) throw new JobError(unknown(event.taskname), { code: "no-handler", retryable: true });
    const job = new Job(event, { blobs: lazily(), signal, tell: (told) => process.send({ told }) });
    return { result: sized((await handler(event.data, job)) ?? null) };
  } catch (error) {
    return { failure: failureOf(error) };
  }
}

function unknown(task) {
  return `this worker has no handler for ${task}: it has ${Object.keys(handlers).join(", ")}. Give the task a queue of workers that have one.`;
}

function sized(result) {
  const size = Buffer.byteLength(JSON.stringify(result));
  if (size <= LARGEST_RESULT) return result;
  throw new JobError(`the result has ${size} bytes, and ${LARGEST_RESULT} at most are kept: put it into a blob`, { code: "result-too-large" });
}

// The blobs, of which nothing is asked unless a handler uses them.
function lazily() {
  let blobs;
  return new Proxy({}, {
    get(_, name) {
      if (name === "then") return undefined;
      blobs ??= Blobs.at(process.env.CRATON_BLOBS);
      return typeof blobs[name] === "function" ? blobs[name].bind(blobs) : blobs[name];
    },
  });
}
