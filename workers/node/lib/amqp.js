// Listening at RabbitMQ: consumes from a queue for each queue of jobs, while bells are wanted. Controllers make the queues.
import amqp from "amqplib";
import { backoff } from "./controller.js";

const HEARTBEAT = 10; // seconds

export class Ear {
  constructor({ broker, application, queues, slots, name }, log) {
    Object.assign(this, { broker, slots, name, log, listening: false, wanted: true, consuming: false, closed: false, tries: 0 });
    this.queues = queues.map((queue) => `${application}.jobs.${queue}`);
    this.turn = Promise.resolve();
  }

  listen(heard, changed) {
    Object.assign(this, { heard, changed });
    this.open();
  }

  // Connect, and again after every end of the connection or its channel.
  async open() {
    try {
      const url = new URL(this.broker);
      if (!url.searchParams.has("heartbeat")) url.searchParams.set("heartbeat", HEARTBEAT);
      this.connection = await amqp.connect(url.href, { clientProperties: { connection_name: this.name }, timeout: 10_000 });
      this.connection.on("error", (error) => this.lost(error));
      this.connection.on("close", () => this.again());
      this.channel = await this.connection.createChannel();
      this.channel.on("error", (error) => this.lost(error));
      this.channel.on("close", () => this.connection.close().catch(() => {}));
      await this.channel.prefetch(this.slots); // for each consumer
      await this.update();
      if (this.closed) await this.connection.close();
    } catch (error) {
      this.lost(error);
      if (!this.connection) this.again();
      else this.connection.close().catch(() => {});
    }
  }

  lost(error) {
    if (!this.told) this.log(`RabbitMQ cannot be listened to, and is tried again: ${error.message}`);
    this.told = true;
  }

  again() {
    Object.assign(this, { listening: false, consuming: false, connection: null, channel: null });
    this.changed();
    if (!this.closed) setTimeout(() => this.closed || this.open(), backoff(this.tries++));
  }

  wants(more) {
    if (this.wanted === more) return this.turn;
    this.wanted = more;
    return (this.turn = this.turn.then(() => this.update()).catch((error) => this.lost(error)));
  }

  // Begin to consume, or cease to.
  async update() {
    const { channel, wanted } = this;
    if (!channel || this.consuming === wanted) return;
    this.consuming = wanted;
    for (const queue of this.queues) {
      if (wanted) await channel.consume(queue, (message) => this.deliver(channel, message), { consumerTag: `${this.name} ${queue}` });
      else await channel.cancel(`${this.name} ${queue}`);
    }
    if (!this.listening) this.here();
  }

  here() {
    if (this.told) this.log("RabbitMQ is listened to again");
    Object.assign(this, { listening: true, told: false, tries: 0 });
    this.changed();
  }

  deliver(channel, message) {
    if (!message) return channel.close(); // the queue was deleted
    const bell = bellOf(channel, message);
    if (this.wanted) this.heard(bell);
    else bell.back();
  }

  async close() {
    this.closed = true;
    await this.turn;
    await this.channel?.close().catch(() => {}); // sends what was acknowledged
    await this.connection?.close().catch(() => {});
  }
}

// A channel that has gone has given back what was held on it.
function bellOf(channel, message) {
  const say = (what, ...more) => {
    try {
      channel[what](message, ...more);
    } catch {
      // it rings again
    }
  };
  return {
    body: message.content,
    ack: () => say("ack"),
    back: () => say("nack", false, true),
    bury: () => say("nack", false, false),
  };
}
