// Where a worker listens: at a broker that tells it of jobs. Brokers may be away; they are looked for until they are there.
import { Amqp } from "./amqp.js";
import { Sqs } from "./sqs.js";

// The ear at a broker's URL; null without a broker.
//
// listen(heard, changed): begin, call `heard` with each bell, and `changed` when `listening` has become true or false,
// which says whether bells can be heard now.
// wants(more): whether more bells are wanted; what is not wanted goes to other workers. close(): hear no more.
export function earAt(settings, log) {
  if (!settings.broker) return null;
  return settings.broker.startsWith("sqs:") ? new Sqs(settings, log) : new Amqp(settings, log);
}
