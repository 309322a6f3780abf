// Where a worker listens: at a broker that tells it of jobs. Brokers may be away; they are looked for until they are there.
import { SettingsError } from "./errors.js";

// Where each kind of broker is listened to; loaded only if it is wanted, with the client that it needs.
const EARS = { amqp: "./amqp.js", amqps: "./amqp.js", sqs: "./sqs.js" };

// The ear at a broker's URL; null without a broker.
//
// listen(heard, changed): begin, call `heard` with each bell, and `changed` when `listening` has become true or false,
// which says whether bells can be heard now.
// wants(more): whether more bells are wanted; what is not wanted goes to other workers. close(): hear no more.
export async function earAt(settings, log) {
  if (!settings.broker) return null;
  try {
    const { Ear } = await import(EARS[settings.broker.split(":")[0]]);
    return new Ear(settings, log);
  } catch (error) {
    if (error.code !== "ERR_MODULE_NOT_FOUND") throw error;
    throw new SettingsError(`the client of the broker is not installed: npm ci --prefix workers/node (${error.message}).`);
  }
}
