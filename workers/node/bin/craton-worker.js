#!/usr/bin/env node
// The command: craton-worker HANDLERS.js, configured by its environment (see workers/README.md).
import path from "node:path";
import { pathToFileURL } from "node:url";
import { SettingsError } from "../lib/errors.js";
import { settingsOf } from "../lib/settings.js";
import { Worker } from "../lib/worker.js";

function fail(message) {
  console.error(`craton-worker: ${message}`);
  process.exit(2);
}

async function handlersAt(file) {
  if (!file) fail('give the file of the handlers: craton-worker handlers.js, with `export default { "module.task": async (input, job) => ... }`.');
  const found = path.resolve(file);
  const { default: handlers } = await import(pathToFileURL(found)).catch((error) => fail(`${file} cannot be loaded: ${error.message}`));
  const functions = Object.values(handlers ?? {}).filter((one) => typeof one === "function");
  if (!functions.length) fail(`${file} has no handlers: write \`export default { "module.task": async (input, job) => ... }\`.`);
  return found;
}

async function main() {
  const worker = new Worker(await handlersAt(process.argv[2]), settingsOf());
  for (const sign of ["SIGTERM", "SIGINT"]) process.once(sign, () => worker.stop());
  await worker.run();
  process.exit(0);
}

main().catch((error) => {
  if (!(error instanceof SettingsError)) throw error;
  fail(error.message);
});
