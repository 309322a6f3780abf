// The worker: takes as many jobs as it has slots, keeps their leases, and reports how each of them ended.
import { randomUUID } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";
import { Bells } from "./bells.js";
import { Blobs } from "./blobs.js";
import { Controller, backoff, weightOf } from "./controller.js";
import { earAt } from "./ears.js";
import { Slot } from "./slot.js";

const WAIT = 20; // seconds that a controller may wait for a job to come
const WAIT_WITHOUT_BROKER = 2; // the same, while the broker that would ring is away
const NEWS_EVERY = 1_000; // milliseconds between two reports of progress, at least
const REPORTED_WITHIN = 5_000; // milliseconds, at the end; else leases end by themselves

export class Worker {
  constructor(handlers, settings) {
    // `handlers`: the path of the file that exports them.
    Object.assign(this, settings, { handlers, used: 0, jobs: new Map(), idle: [], waiting: [], stopping: new AbortController() });
    this.log = (text) => void console.error(`craton-worker ${this.name}: ${text}`);
    this.doors = settings.controllers.map((one) => new Controller(one, { token: settings.token, log: this.log }));
    this.ear = this.bells = null;
  }

  get room() {
    return this.slots - this.used;
  }

  // Work until `stop`; resolves when all has been given back.
  async run() {
    this.ear = await earAt(this, this.log);
    this.bells = this.ear && new Bells(this, this.ear);
    this.ear?.listen((bell) => this.bells.heard(bell), () => this.changed());
    await Promise.all(this.doors.map((door) => this.poll(door)));
    await this.bells?.close();
    await this.leave();
  }

  stop() {
    this.stopping.abort();
    this.changed();
  }

  // ------------------------------------------------------------------ taking

  // Ask one controller for jobs, while there is room and no broker that would ring.
  async poll(door) {
    const { signal } = this.stopping;
    for (let tries = 0; !signal.aborted; ) {
      if (this.room <= 0 || this.ear?.listening) {
        await this.change();
        continue;
      }
      try {
        const asked = { room: this.room, most: this.room, wait: this.ear ? WAIT_WITHOUT_BROKER : WAIT };
        this.begin(await this.ask(door, asked, signal), door);
        tries = 0;
      } catch (error) {
        if (signal.aborted) return;
        door.lost(error);
        await pause(backoff(tries++), null, { signal }).catch(() => {});
      }
    }
  }

  // Ask a controller for what it has, or for the jobs that are named.
  ask(door, asked, signal) {
    return door.take({ worker: this.name, queues: this.queues, ...asked }, signal);
  }

  // Begin with jobs that were given; what no longer fits is given back.
  begin(events, door) {
    for (const event of events) {
      const fits = weightOf(event) <= this.room || !this.used;
      if (fits && !this.stopping.signal.aborted) this.start(event, door);
      else door.report(this.reportOf(event, "released"));
    }
  }

  doorOf(module) {
    return this.doors.find((door) => door.modules.includes(module));
  }

  // Resolves when something has changed that those wait for who have no room.
  change() {
    return new Promise((done) => this.waiting.push(done));
  }

  changed() {
    this.waiting.splice(0).forEach((done) => done());
    this.bells?.ring();
  }

  // ------------------------------------------------------------------ working

  start(event, door) {
    const job = { event, door, slot: this.idle.pop() ?? new Slot(this.handlers), why: null, news: null, beating: false, told: 0, kept: Boolean(event.taskcheckpoint) };
    this.used += weightOf(event);
    this.jobs.set(`${event.taskid} ${event.taskfence}`, job);
    job.done = this.work(job)
      .catch((error) => this.log(`${event.taskname} ${event.taskid}: ${error.stack}`))
      .finally(() => this.jobs.delete(`${event.taskid} ${event.taskfence}`));
  }

  async work(job) {
    const { event, slot } = job;
    const beats = setInterval(() => this.beat(job), (event.tasklease * 1000) / 3);
    const limit = event.tasktimeout && setTimeout(() => this.end(job, "timeout"), Math.min(event.tasktimeout * 1000, 2 ** 31 - 1));
    const how = await slot.run(event, (told) => this.hear(job, told));
    clearTimeout(limit);
    if (!job.why) job.why = how.failure ? "failed" : "succeeded";
    await job.stopped;
    this.free(slot, event);
    await this.tell(job, how);
    clearInterval(beats);
  }

  // A handler has ended: its room is free, also before its end is reported.
  free(slot, event) {
    this.idle.push(slot);
    this.used -= weightOf(event);
    this.changed();
  }

  // Stop a job that has not ended by itself.
  end(job, why) {
    if (job.why) return;
    job.why = why;
    job.stopped = job.slot.stop();
  }

  // What its handler says of its progress.
  hear(job, { progress, checkpoint }) {
    job.news = { ...job.news, progress, ...(checkpoint != null && { checkpoint }) };
    if (checkpoint != null) job.kept = true;
    clearTimeout(job.soon);
    job.soon = setTimeout(() => this.beat(job), Math.max(0, job.told + NEWS_EVERY - Date.now()));
  }

  // Tell that a job is alive, and what is new of it; and do as the answer says.
  async beat(job) {
    if (job.beating || job.why) return;
    job.beating = true;
    const verdict = await job.door.report(this.heartbeat(job));
    job.beating = false;
    if (verdict !== "taken") this.end(job, verdict === "cancel" ? "cancelled" : "refused");
  }

  heartbeat(job) {
    const news = job.news ?? {};
    Object.assign(job, { news: null, told: Date.now() });
    return this.reportOf(job.event, "heartbeat", news);
  }

  // Report how a job ended. What it made is removed, unless that was accepted as its result, or there is a checkpoint,
  // which may speak of it.
  async tell(job, how) {
    const { event, why } = job;
    clearTimeout(job.soon);
    if (why === "refused") return this.clean(event);
    if (why !== "succeeded") {
      if (!job.kept) await this.clean(event);
      if (job.news) job.door.report(this.heartbeat(job)); // its last checkpoint, for the next attempt
    }
    const verdict = await job.door.report(this.ending(event, why, how));
    if (verdict === "refused") this.log(`${event.taskname} ${event.taskid}: another worker has it, what was made here is dropped`);
    if (verdict === "refused" && why === "succeeded") await this.clean(event);
  }

  ending(event, why, { result, failure }) {
    const said = why === "timeout" ? { code: "timeout", message: `it took longer than ${event.tasktimeout} s`, retryable: true } : failure;
    if (why === "failed" || why === "timeout") {
      this.log(`${event.taskname} ${event.taskid}, attempt ${event.taskattempt}, failed: ${said.message}`);
      return this.reportOf(event, "failed", said);
    }
    return this.reportOf(event, why, why === "succeeded" ? { result } : undefined);
  }

  reportOf(event, kind, data) {
    const { taskid, taskmodule, taskattempt, taskfence, traceparent } = event;
    return {
      specversion: "1.0", id: randomUUID(), source: `/worker/${this.name}`, type: `craton.job.${kind}.v1`, subject: taskid,
      time: new Date().toISOString(), datacontenttype: "application/json", ...(traceparent && { traceparent }),
      taskid, taskmodule, taskattempt, taskfence, ...(data && { data }),
    };
  }

  async clean(event) {
    if (!process.env.CRATON_BLOBS) return;
    await Blobs.at(process.env.CRATON_BLOBS).delete(event.taskfolder)
      .catch((error) => this.log(`${event.taskfolder} could not be removed: ${error.message}`));
  }

  // ------------------------------------------------------------------ stopping

  // Let jobs end that soon do; give the others back, without their attempt being counted.
  async leave() {
    const all = () => Promise.all([...this.jobs.values()].map((job) => job.done));
    await within(this.grace, all());
    for (const job of this.jobs.values()) this.end(job, "released");
    await within(this.grace + REPORTED_WITHIN, all());
    await within(REPORTED_WITHIN, Promise.all(this.doors.map((door) => door.sending)));
    for (const slot of this.idle) slot.kill();
  }
}

// Resolves with a promise, or when so many milliseconds have passed.
function within(milliseconds, promise) {
  return Promise.race([promise, pause(milliseconds)]);
}
