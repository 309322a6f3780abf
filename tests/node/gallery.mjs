// A client of the gallery in JavaScript: node gallery.mjs ADDRESS FOLDER TOKEN prints what it was answered, as JSON.
import grpc from "@grpc/grpc-js";
import protoLoader from "@grpc/proto-loader";

const [address, folder, token] = process.argv.slice(2);
const definition = protoLoader.loadSync("gallery/paintings/v1/paintings.proto", {
  includeDirs: [folder], keepCase: true, longs: Number, enums: String, defaults: true, oneofs: true,
});
const { Paintings } = grpc.loadPackageDefinition(definition).gallery.paintings.v1;
const client = new Paintings(address, grpc.credentials.createInsecure());

function metadata(values = {}) {
  const made = new grpc.Metadata();
  for (const [name, value] of Object.entries(values)) made.set(name, value);
  return made;
}

// Calls a method: {answer}, or {code, details} where it fails.
function call(method, request, values, options = {}) {
  return new Promise((resolve) => {
    client[method](request, metadata(values), { deadline: Date.now() + 20000, ...options }, (error, answer) => {
      resolve(error ? { code: grpc.status[error.code], details: error.details } : { answer });
    });
  });
}

async function stream(request) {
  const items = [];
  for await (const item of client.Prices(request)) items.push(item.amount);
  return items;
}

const me = { authorization: `Bearer ${token}` };
const painting = {
  id: "00000000-0000-0000-0000-000000000007", title: "Sea", price: { amount: "12.50" }, style: "STYLE_INK",
  painted: "2026-01-31", hung: { seconds: 1795000000, nanos: 5000 }, size: { item1: 3, item2: 4.5 },
  mount: { glass: { thickness: 2.5 } }, tags: ["old"], kept_in: "KEPT_IN_CELLAR_2",
};
console.log(JSON.stringify({
  page: await call("Page", { limit: 2 }),
  everything: await call("Page", {}),
  echo: await call("Echo", { painting }),
  me: await call("Me", {}, me),
  nobody: await call("Me", {}),
  keyless: await call("Buy", { title: "Sea" }, me),
  bought: await call("Buy", { title: "Sea" }, { ...me, "idempotency-key": "from-node" }),
  again: await call("Buy", { title: "Sea" }, { ...me, "idempotency-key": "from-node" }),
  taken: await call("Buy", { title: "sold" }, { ...me, "idempotency-key": "another" }),
  late: await call("Wait", {}, {}, { deadline: Date.now() + 300 }),
  stream: await stream({ count: 3 }),
}));
client.close();
