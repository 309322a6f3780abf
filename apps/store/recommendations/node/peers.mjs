// Who asks: services of one application sign each request with the secret that they share (docs/how-to.md, "A service
// in another language").

import { createHash, createHmac, timingSafeEqual } from "node:crypto";
import { Problem } from "./problems.mjs";

const MAC = 32;
const LIFETIME = 60; // seconds that a signed request is believed: as long as clocks may differ
const SIGNED = ["craton-caller", "idempotency-key", "craton-undoes", "craton-timeout", "traceparent", "if-match"];

export class Peers {
  constructor(secret, clock = () => Date.now() / 1000) {
    this.requests = key(secret, "rest");
    this.callers = key(secret, "assertion");
    this.clock = clock;
  }

  // The service that asks, if it may ask for the method ("recommendations.also_bought"); a Problem otherwise.
  admit(request, body, method) {
    const { mac, told } = parts(request.headers["craton-peer"]);
    const headers = SIGNED.map((name) => request.headers[name] ?? "");
    const digest = createHash("sha256").update(body).digest("hex");
    const said = [request.method, request.url, ...headers, digest].join("\n");
    if (!same(mac, hmac(this.requests, Buffer.concat([told, Buffer.from("\n" + said)])))) {
      throw new Problem("not-authenticated", "it was not signed by a service of this application.");
    }
    const peer = JSON.parse(told);
    if (Math.abs(this.clock() - peer.at) > LIFETIME) {
      throw new Problem("not-authenticated", "it was signed at another time: compare the clocks of the two services.");
    }
    if (!peer.needs.includes(method) && !peer.needs.includes(method.split(".")[0])) {
      throw new Problem("not-allowed", `${peer.service} may not call ${method}: it did not declare that it needs it.`);
    }
    return peer.service;
  }

  // The person, or the guest, on whose behalf it asks: { subject, roles }; null where it asks for nobody.
  caller(request) {
    const header = request.headers["craton-caller"];
    if (header === undefined) return null;
    const { mac, told } = parts(header);
    if (!same(mac, hmac(this.callers, told))) {
      throw new Problem("not-authenticated", "the caller's assertion was not signed by a service of this application.");
    }
    const { subject, roles, until } = JSON.parse(told);
    if (until <= this.clock()) throw new Problem("not-authenticated", "the caller's assertion has expired.");
    return { subject, roles };
  }
}

const key = (secret, purpose) => hmac(secret, `craton ${purpose}`);
const hmac = (secret, data) => createHmac("sha256", secret).update(data).digest();
const same = (one, other) => one.length === other.length && timingSafeEqual(one, other);

function parts(header) {
  const data = Buffer.from(header ?? "", "base64url");
  return { mac: data.subarray(0, MAC), told: data.subarray(MAC) };
}
