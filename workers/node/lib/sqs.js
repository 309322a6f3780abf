// Listening at Amazon SQS, by long polls of a queue for each queue of jobs. Controllers make the queues.
import * as aws from "@aws-sdk/client-sqs";
import { backoff } from "./controller.js";
import { SettingsError } from "./errors.js";

const LONG_POLL = 20; // seconds, the most that SQS waits
const VISIBILITY = 30; // seconds for which a bell is nobody else's; none is held for longer than a few
const BATCH = 10; // the most messages that it gives at once

export class Ear {
  constructor({ broker, application, queues, slots }, log) {
    const { hostname, pathname } = new URL(broker);
    if (!hostname) throw new SettingsError(`CRATON_BROKER is ${broker}: give sqs://REGION/PREFIX, such as sqs://eu-central-1/video.`);
    const prefix = pathname.replace(/^\/+|\/+$/g, "") || application;
    Object.assign(this, { region: hostname, prefix, queues, slots, log, listening: false, wanted: true, waiting: [], stop: new AbortController() });
  }

  listen(heard, changed) {
    Object.assign(this, { heard, changed });
    this.polls = Promise.all(this.queues.map((queue) => this.poll(queue)));
  }

  async poll(queue) {
    for (let tries = 0; !this.stop.signal.aborted; ) {
      try {
        if (!this.wanted) await new Promise((done) => this.waiting.push(done));
        else await this.receive(queue);
        this.here();
        tries = 0;
      } catch (error) {
        if (this.stop.signal.aborted) return;
        this.lost(error);
        await new Promise((done) => setTimeout(done, backoff(tries++)));
      }
    }
  }

  async receive(queue) {
    const QueueUrl = await this.address(queue);
    this.here();
    const asked = { QueueUrl, MaxNumberOfMessages: Math.min(BATCH, this.slots), WaitTimeSeconds: LONG_POLL, VisibilityTimeout: VISIBILITY };
    const { Messages = [] } = await this.send("ReceiveMessageCommand", asked, { abortSignal: this.stop.signal });
    for (const message of Messages) {
      const bell = this.bellOf(QueueUrl, message);
      if (this.wanted) this.heard(bell);
      else bell.back();
    }
  }

  async send(command, input, options) {
    this.client ??= new aws.SQSClient({ region: this.region });
    return this.client.send(new aws[command](input), options);
  }

  async address(queue) {
    this.addresses ??= {};
    this.addresses[queue] ??= (await this.send("GetQueueUrlCommand", { QueueName: `${this.prefix}-${queue}` })).QueueUrl;
    return this.addresses[queue];
  }

  bellOf(QueueUrl, { Body, ReceiptHandle }) {
    const receipt = { QueueUrl, ReceiptHandle };
    const say = (...what) => this.send(...what).catch((error) => this.lost(error)); // else it rings again
    const ack = () => say("DeleteMessageCommand", receipt);
    const back = () => say("ChangeMessageVisibilityCommand", { ...receipt, VisibilityTimeout: 0 });
    const bury = async () => {
      await this.send("SendMessageCommand", { QueueUrl: await this.address("dead"), MessageBody: Body });
      await ack();
    };
    return { body: Body, ack, back, bury: () => bury().catch((error) => this.lost(error)) };
  }

  lost(error) {
    if (!this.told) this.log(`SQS in ${this.region} cannot be listened to, and is tried again: ${error.message}`);
    Object.assign(this, { told: true, listening: false });
    this.changed();
  }

  here() {
    if (this.told) this.log(`SQS in ${this.region} is listened to again`);
    if (this.listening) return;
    Object.assign(this, { told: false, listening: true });
    this.changed();
  }

  wants(more) {
    this.wanted = more;
    if (more) this.waiting.splice(0).forEach((done) => done());
  }

  async close() {
    this.stop.abort();
    this.waiting.splice(0).forEach((done) => done());
    await this.polls;
    this.client?.destroy();
  }
}
