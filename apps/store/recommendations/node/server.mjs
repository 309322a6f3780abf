// The store's recommendations in Node.js, without any package: written against the OpenAPI document of the module.
//
//   node server.mjs --port 8123 --data DIRECTORY      (and CRATON_SECRET, which the services share)

import { mkdirSync } from "node:fs";
import { createServer } from "node:http";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { Habits } from "./habits.mjs";
import { Journal } from "./journal.mjs";
import { Peers } from "./peers.mjs";
import { Problem } from "./problems.mjs";

const MOST = 16 * 1024 * 1024; // bytes of a request
const SKU = /^[A-Za-z0-9._-]{1,64}$/;
const aboutSku = ({ sku }) => ({ sku });
// The events that are heard, and what is kept of each: who bought something is nothing to remember here.
const EVENTS = new Map([
  ["OrderPaid", ({ lines }) => ({ lines: lines.map(({ sku, quantity }) => ({ sku, quantity })) })],
  ["ProductDiscontinued", aboutSku],
  ["StockOut", aboutSku],
  ["StockBack", aboutSku],
]);

const { values: told } = parseArgs({ options: { port: { type: "string" }, data: { type: "string" } } });
if (!told.port || !told.data || !process.env.CRATON_SECRET) {
  console.error("give --port and --data, and set CRATON_SECRET");
  process.exit(2); // it would be of no use to start it again
}

mkdirSync(told.data, { recursive: true });
const habits = new Habits();
const journal = new Journal(join(told.data, "events.jsonl"), (type, data) => habits[type](data));
const peers = new Peers(process.env.CRATON_SECRET);

// By verb and path: what the method is called, and what it answers to a JSON body.
const ROUTES = {
  "POST /recommendations": ["recommendations.also_bought", alsoBought],
  "POST /craton/events": ["recommendations.$events", (batch) => journal.receive(batch, EVENTS)],
};

function alsoBought({ skus, limit = 6 }) {
  check(Array.isArray(skus) && skus.length <= 200, "skus", "expected an array of at most 200");
  skus.forEach((sku, place) => check(typeof sku === "string" && SKU.test(sku), `skus[${place}]`, "is no sku"));
  check(Number.isInteger(limit) && limit >= 1 && limit <= 50, "limit", "expected an integer from 1 to 50");
  return habits.alsoBought(skus, limit);
}

function check(fits, field, why) {
  if (!fits) throw new Problem("invalid-arguments", `${field}: ${why}.`);
}

const server = createServer(async (request, response) => {
  try {
    send(response, 200, await answer(request));
  } catch (error) {
    const problem = error instanceof Problem ? error : new Problem("failed", "");
    if (problem !== error) console.error(error);
    send(response, problem.status, problem.body, "application/problem+json");
  }
});

async function answer(request) {
  const health = /^\/health\/(live|ready)$/.exec(request.url);
  if (health && request.method === "GET") return { status: health[1] };
  const [method, carryOut] = ROUTES[`${request.method} ${request.url}`] ?? [];
  if (!carryOut) throw new Problem("not-found", "");
  const body = await read(request);
  peers.admit(request, body, method);
  peers.caller(request); // anyone may ask; but nobody under a name that is not theirs
  return carryOut(parsed(body));
}

async function read(request) {
  const pieces = [];
  let size = 0;
  for await (const piece of request) {
    size += piece.length;
    if (size > MOST) throw new Problem("too-large", `A request may have ${MOST} bytes.`);
    pieces.push(piece);
  }
  return Buffer.concat(pieces);
}

function parsed(body) {
  let found;
  try {
    found = JSON.parse(body);
  } catch (error) {
    throw new Problem("malformed", `${error.message}.`);
  }
  if (found === null || typeof found !== "object") throw new Problem("invalid-arguments", "expected an object.");
  return found;
}

function send(response, status, value, media = "application/json") {
  const body = Buffer.from(JSON.stringify(value));
  if (leaving) response.setHeader("connection", "close");
  response.writeHead(status, { "content-type": media, "content-length": body.length });
  response.end(body);
}

server.keepAliveTimeout = 75_000; // longer than services of Craton keep a connection unused
server.listen(Number(told.port), "127.0.0.1", () => console.log(`listening at port ${told.port}`));

let leaving = false;
for (const signal of ["SIGTERM", "SIGINT"]) {
  process.on(signal, () => {
    leaving = true;
    server.close(() => journal.close()); // requests in progress are answered first
    server.closeIdleConnections();
  });
}
