// What handlers import: errors that say how a job failed, and the blobs that all workers share.
export { JobError, Retry } from "./errors.js";
export { Blobs } from "./blobs.js";
