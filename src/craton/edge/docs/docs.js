// The OpenAPI document of this server, to read and to try.

const VERBS = ["get", "post", "put", "patch", "delete"];
const $ = (id) => document.getElementById(id);

function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key === "class") made.className = value;
    else if (value !== undefined && value !== false) made.setAttribute(key, value === true ? "" : value);
  }
  made.append(...children.filter((child) => child !== undefined && child !== ""));
  return made;
}

// What "#/components/..." stands for.
function resolved(api, node) {
  while (node?.$ref) node = node.$ref.slice(2).split("/").reduce((at, part) => at[part], api);
  return node ?? {};
}

// A value that fits a schema, to begin with.
function example(api, schema, depth = 0) {
  const found = resolved(api, schema);
  if ("default" in found) return found.default;
  if ("const" in found) return found.const;
  if (found.enum) return found.enum[0];
  if (found.anyOf) return example(api, found.anyOf.find((one) => one.type !== "null") ?? found.anyOf[0], depth);
  if (found.allOf) return Object.assign({}, ...found.allOf.map((one) => example(api, one, depth)));
  if (found.type === "array") return found.prefixItems || depth > 4 ? [] : [example(api, found.items ?? {}, depth + 1)];
  if (found.type === "object" || found.properties) {
    const names = Object.keys(found.properties ?? {}).filter((n) => depth < 4 && (found.required ?? []).includes(n));
    return Object.fromEntries(names.map((n) => [n, example(api, found.properties[n], depth + 1)]));
  }
  if (found.type === "integer" || found.type === "number") return found.minimum ?? 0;
  if (found.type === "boolean") return false;
  return found.type === "string" ? (found.format === "date-time" ? new Date().toISOString() : "") : null;
}

function typeOf(api, schema) {
  const found = resolved(api, schema);
  if (found.enum) return found.enum.join(" | ");
  if (found.anyOf) return found.anyOf.map((one) => typeOf(api, one)).join(" | ");
  if (found.type === "array") return `${typeOf(api, found.items ?? {})}, …`;
  return [found.format ?? found.type ?? found.title ?? "any"].flat().join(" | ");
}

// A new key: each attempt is a new request, unless somebody types one.
function renew(input) {
  if (input.value === (input.dataset.made ?? "")) input.value = input.dataset.made = `"${crypto.randomUUID?.() ?? Date.now()}"`;
}

function field(api, parameter) {
  const schema = resolved(api, parameter.schema);
  const input = element("input", { name: parameter.name, "data-in": parameter.in, required: parameter.required });
  if (parameter.name === "Idempotency-Key") renew(input);
  else if (schema.default !== undefined && schema.default !== null) input.placeholder = [schema.default].flat().join(", ");
  const star = parameter.required ? element("b", { "aria-hidden": "true" }, " *") : "";
  return element("label", { title: parameter.description }, element("span", {}, `${parameter.name} `,
    element("code", {}, `${typeOf(api, schema)}, ${parameter.in}`), star), input);
}

function curl(verb, url, headers, body) {
  const quote = (text) => `'${text.replaceAll("'", "'\\''")}'`;
  const told = Object.entries(headers).map(([name, value]) => ` -H ${quote(`${name}: ${name === "Authorization" ? "Bearer $TOKEN" : value}`)}`);
  return `curl -X ${verb.toUpperCase()} ${quote(location.origin + url)}${told.join("")}${body ? ` -d ${quote(body)}` : ""}`;
}

// What the form asks for: its address, headers and body.
function request(form, path) {
  const query = new URLSearchParams(), headers = {};
  let url = path;
  for (const input of form.querySelectorAll("[data-in]")) {
    const { name, value, dataset } = input;
    if (dataset.in === "path") url = url.replace(`{${name}}`, encodeURIComponent(value));
    else if (value === "") continue;
    else if (dataset.in === "query") for (const one of dataset.many ? value.split(",") : [value]) query.append(name, one.trim());
    else if (dataset.in === "header") headers[name] = value;
  }
  if ($("token").value) headers.Authorization = `Bearer ${$("token").value.trim()}`;
  const body = form.querySelector("textarea")?.value || undefined;
  if (body) headers["Content-Type"] = "application/json";
  return { url: query.size ? `${url}?${query}` : url, headers, body };
}

async function attempt(form, verb, path, output) {
  const { url, headers, body } = request(form, path);
  const began = performance.now();
  output.replaceChildren(element("p", {}, "…"));
  try {
    const answer = await fetch(url, { method: verb.toUpperCase(), headers, body });
    const text = await answer.text(), told = [...answer.headers].map(([name, value]) => `${name}: ${value}`).join("\n");
    let shown = text;
    try { shown = JSON.stringify(JSON.parse(text), null, 2); } catch { /* it is no single JSON value */ }
    const took = Math.round(performance.now() - began);
    output.replaceChildren(element("p", {}, `${answer.status} ${answer.statusText}, ${took} ms`), element("pre", { tabindex: 0 }, shown || "(no body)"),
      element("details", {}, element("summary", {}, "headers"), element("pre", {}, told)));
  } catch (error) {
    output.replaceChildren(element("p", {}, `No answer: ${error.message}`));
  }
  output.append(element("pre", {}, curl(verb, url, headers, body)));
  for (const input of form.querySelectorAll('[name="Idempotency-Key"]')) renew(input);
}

function body(api, operation) {
  const schema = operation.requestBody?.content?.["application/json"]?.schema;
  if (!schema) return "";
  const area = element("textarea", { spellcheck: "false", "aria-label": "body" });
  area.value = JSON.stringify(example(api, schema), null, 2);
  return element("label", { class: "wide" }, element("span", {}, "body"), area);
}

function answers(api, operation) {
  return element("dl", {}, ...Object.entries(operation.responses).flatMap(([status, answer]) => [
    element("dt", {}, status), element("dd", {}, resolved(api, answer).description ?? ""),
  ]));
}

function inside(api, verb, path, operation) {
  const output = element("div", { "aria-live": "polite" });
  const parameters = (operation.parameters ?? []).map((one) => resolved(api, one));
  const form = element("form", {}, ...parameters.map((one) => field(api, one)), body(api, operation),
    element("div", { class: "wide" }, element("button", { type: "submit" }, "Try it")));
  for (const one of parameters) if (resolved(api, one.schema).type === "array") form.querySelector(`[name="${one.name}"]`).dataset.many = "1";
  form.addEventListener("submit", (event) => { event.preventDefault(); attempt(form, verb, path, output); });
  return element("div", { class: "inside" }, element("p", {}, operation.description ?? ""), form, output,
    element("details", {}, element("summary", {}, "answers"), answers(api, operation)));
}

function who(operation) {
  const roles = (operation.security ?? []).flatMap((one) => one.bearer ?? []);
  if (!operation.security?.length || operation.security.some((one) => !Object.keys(one).length)) return "";
  return roles.length ? `needs the role ${roles.join(", ")}` : "needs a token";
}

function shown(api, verb, path, operation) {
  const made = element("details", { class: "operation", id: operation.operationId },
    element("summary", {}, element("span", { class: `verb ${verb}` }, verb), element("span", { class: "path" }, path),
      element("span", { class: "what" }, operation.summary ?? ""), element("span", { class: "lock" }, who(operation))));
  made.addEventListener("toggle", () => {  // made when it is looked at: there may be hundreds
    if (made.open && made.childElementCount === 1) made.append(inside(api, verb, path, operation));
  });
  made.dataset.text = `${verb} ${path} ${operation.operationId} ${operation.description ?? operation.summary}`.toLowerCase();
  return made;
}

function render(api) {
  document.title = $("title").textContent = api.info.title;
  const all = Object.entries(api.paths).flatMap(([path, item]) => VERBS.filter((verb) => item[verb]).map((verb) => [verb, path, item[verb]]));
  $("about").textContent = `${all.length} operations, OpenAPI ${api.openapi}, version ${api.info.version}`;
  const tags = [...(api.tags ?? []), { name: "other", description: "What the server answers of itself." }];
  const sections = tags.map((tag) => {
    const own = all.filter(([, , operation]) => (operation.tags?.[0] ?? "other") === tag.name);
    return element("section", { hidden: !own.length }, element("h2", {}, tag.name), element("p", {}, tag.description ?? ""),
      ...own.map(([verb, path, operation]) => shown(api, verb, path, operation)));
  });
  $("operations").replaceChildren(...sections);
  if (location.hash) { const asked = $(location.hash.slice(1)); if (asked) { asked.open = true; asked.scrollIntoView(); } }
}

$("access").addEventListener("submit", (event) => event.preventDefault());
$("search").addEventListener("input", () => {
  const words = $("search").value.toLowerCase().split(/\s+/);
  for (const one of document.querySelectorAll("details.operation")) one.hidden = !words.every((word) => one.dataset.text.includes(word));
  for (const one of document.querySelectorAll("section")) one.hidden = !one.querySelector("details.operation:not([hidden])");
});

try {
  render(await (await fetch("/openapi.json")).json());
} catch (error) {
  $("operations").replaceChildren(element("p", {}, `The document cannot be read: ${error.message}`));
}
