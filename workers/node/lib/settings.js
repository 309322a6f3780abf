// What a worker is told by its environment.
import os from "node:os";
import { SettingsError } from "./errors.js";

// "a=http://one|http://two,b=http://one" -> [{ modules: ["a"], addresses: [...] }, ...]; those at the same addresses
// are one, since one question is enough for all of them.
export function controllersOf(text) {
  const groups = new Map();
  for (const part of text.split(",").map((one) => one.trim()).filter(Boolean)) {
    const [module, addresses] = part.split(/=(.*)/s);
    if (!/^\w+$/.test(module) || !/^https?:\/\//.test(addresses ?? "")) {
      throw new SettingsError(`CRATON_CONTROLLERS has ${JSON.stringify(part)}: write module=http://host:port|http://..., one for each module.`);
    }
    if (!groups.has(addresses)) groups.set(addresses, { modules: [], addresses: addresses.split("|") });
    groups.get(addresses).modules.push(module);
  }
  return [...groups.values()];
}

function needed(environment, name, what) {
  if (!environment[name]) throw new SettingsError(`${name} is not set: ${what}.`);
  return environment[name];
}

function numberOf(environment, name, usual, least) {
  const number = Number(environment[name] || usual);
  if (Number.isFinite(number) && number >= least) return number;
  throw new SettingsError(`${name} is ${JSON.stringify(environment[name])}: give a number, ${least} or more.`);
}

export function settingsOf(environment = process.env) {
  const broker = environment.CRATON_BROKER || "";
  if (broker && !/^(amqps?|sqs):\/\//.test(broker)) {
    throw new SettingsError("CRATON_BROKER: give amqp://..., amqps://... or sqs://REGION/PREFIX, or nothing.");
  }
  return {
    controllers: controllersOf(needed(environment, "CRATON_CONTROLLERS", "give module=http://host:port of each controller")),
    token: needed(environment, "CRATON_WORKER_TOKEN", "give the token that the application's controllers know"),
    queues: (environment.CRATON_QUEUES || "default").split(",").map((one) => one.trim()).filter(Boolean),
    slots: Math.floor(numberOf(environment, "CRATON_SLOTS", os.cpus().length, 1)),
    grace: numberOf(environment, "CRATON_WORKER_GRACE", 10, 0) * 1000,
    name: environment.CRATON_WORKER || `${os.hostname()}-${process.pid}`,
    application: broker ? needed(environment, "CRATON_APPLICATION", "give the application's name, which its queues begin with") : "",
    broker,
  };
}
