// The controllers behind one door: asks them for jobs, and tells them what became of jobs, until they have heard it.
import { setTimeout as pause } from "node:timers/promises";

const BATCH = "application/cloudevents-batch+json";
const LARGEST_BATCH = 8 * 2 ** 20; // bytes; controllers take 16 MiB
const ANSWERED_WITHIN = 15_000; // milliseconds, beside what a question is to wait
const LONGEST_PAUSE = 5_000;

export class Controller {
  constructor({ modules, addresses }, { token, log }) {
    Object.assign(this, { modules, addresses, token, log, at: 0, waiting: [], sending: null, away: false });
  }

  // Jobs, each leased to this worker. Rejects when no answer came: then it is not known whether any were leased.
  async take(asked, signal) {
    const within = ANSWERED_WITHIN + (asked.wait ?? 0) * 1000;
    const events = await this.post("take", JSON.stringify({ ...asked, modules: this.modules }), { signal, within });
    if (!Array.isArray(events)) throw new Error("the answer to take is not a list");
    this.found();
    return events.filter((event) => isJob(event) || this.log(`a job came that lacks what it must have: ${JSON.stringify(event)}`));
  }

  // The verdict on one report: "taken", "cancel" or "refused". It is sent again until there is one.
  report(event) {
    const verdict = new Promise((told) => this.waiting.push({ text: JSON.stringify(event), told }));
    if (!this.sending) this.sending = this.send();
    return verdict;
  }

  async send() {
    while (this.waiting.length) {
      const batch = this.batch();
      const verdicts = await this.deliver(`[${batch.map((one) => one.text).join(",")}]`, batch.length);
      batch.forEach((one, n) => one.told(verdicts[n]));
    }
    this.sending = null;
  }

  // As many of those that wait as one request may hold.
  batch() {
    let [size, count] = [0, 0];
    for (const { text } of this.waiting) {
      size += Buffer.byteLength(text) + 1;
      if (count && size > LARGEST_BATCH) break;
      count += 1;
    }
    return this.waiting.splice(0, count);
  }

  // Send the same bytes until they are answered; 4xx means that they never will be.
  async deliver(body, count) {
    for (let tries = 0; ; tries += 1) {
      try {
        const { verdicts } = await this.post("report", body);
        if (verdicts?.length !== count) throw new Error("the answer to a report lacks verdicts");
        this.found();
        return verdicts;
      } catch (error) {
        if (error.refused) {
          this.log(`reports were refused: ${error.message}`);
          return Array(count).fill("refused");
        }
        this.lost(error);
        await pause(backoff(tries));
      }
    }
  }

  // One request to the controller that answered last; after an error the next one is asked. Resolves to what it answers.
  async post(what, body, { signal, within = ANSWERED_WITHIN } = {}) {
    const address = this.addresses[this.at % this.addresses.length];
    const headers = { authorization: `Bearer ${this.token}`, "content-type": what === "report" ? BATCH : "application/json" };
    const stop = new AbortController();
    const abort = () => stop.abort();
    const timer = setTimeout(abort, within);
    signal?.addEventListener("abort", abort);
    try {
      const answer = await fetch(`${address}/jobs/v1/${what}`, { method: "POST", headers, body, signal: stop.signal });
      if (!answer.ok) throw await wrong(answer, address);
      return await answer.json();
    } catch (error) {
      if (!error.refused) this.at += 1;
      throw error;
    } finally {
      clearTimeout(timer);
      signal?.removeEventListener("abort", abort);
    }
  }

  lost(error) {
    if (!this.away) this.log(`controller of ${this.modules} at ${this.addresses.join(" or ")} gives no answer, and is asked again: ${error.cause?.message || error.message}`);
    this.away = true;
  }

  found() {
    if (this.away) this.log(`controller of ${this.modules} answers again`);
    this.away = false;
  }
}

// The error for an answer that is none. 401 and 403 may become right again, when tokens are changed; 429 is for later.
async function wrong(answer, address) {
  const text = (await answer.text()).slice(0, 500);
  const again = answer.status >= 500 || [401, 403, 404, 408, 425, 429].includes(answer.status);
  const hint = answer.status === 401 ? ": check CRATON_WORKER_TOKEN" : "";
  return Object.assign(new Error(`${address} answered ${answer.status}${hint} ${text}`), { refused: !again });
}

// The milliseconds to wait after so many tries, each shortened by a random part so that workers spread out.
export function backoff(tries) {
  return Math.min(100 * 2 ** Math.min(tries, 10), LONGEST_PAUSE) * (0.5 + Math.random() / 2);
}

// How many slots a job takes.
export function weightOf(event) {
  return Number.isInteger(event.taskweight) && event.taskweight > 0 ? event.taskweight : 1;
}

function isJob(event) {
  const texts = ["taskid", "taskname", "taskmodule", "taskfolder"].every((name) => typeof event?.[name] === "string");
  return texts && Number.isInteger(event.taskattempt) && Number.isInteger(event.taskfence) && event.tasklease > 0;
}
