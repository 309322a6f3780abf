// Uploads by tus 1.0 (https://tus.io): a file goes in parts, and goes on where it stopped.
const PART = 4 * 1024 * 1024;
const LONGEST_PAUSE = 15000;
const TUS = { "Tus-Resumable": "1.0.0" };
const $ = id => document.getElementById(id);
const form = $("upload");
let file = null, place = null, paused = false, given = false, current = null;

const base64 = bytes => btoa(String.fromCharCode(...bytes));
const wait = time => new Promise(done => setTimeout(done, time));

function size(bytes) {
  const steps = ["bytes", "KB", "MB", "GB"];
  let step = 0;
  for (; bytes >= 1000 && step < 3; step++) bytes /= 1000;
  return `${step && bytes < 100 ? bytes.toFixed(1) : Math.round(bytes)} ${steps[step]}`;
}

function say(text) { $("told").textContent = text; }

function fail(text) {
  $("wrong").textContent = text;
  $("wrong").hidden = false;
  $("going").hidden = true;
  $("start").hidden = $("file").disabled = false;
}

class Refused extends Error {}

// One request, which tells how much of its body has been sent.
function ask(method, url, headers, body, told) {
  return new Promise((done, broken) => {
    const request = current = new XMLHttpRequest();
    request.open(method, url);
    for (const [name, text] of Object.entries({ ...TUS, ...headers })) request.setRequestHeader(name, text);
    if (told) request.upload.onprogress = event => told(event.loaded);
    request.onload = () => done(request);
    request.onerror = request.onabort = request.ontimeout = () => broken(new Error("the connection broke"));
    request.send(body);
  });
}

// The same, until there is an answer that counts: what is away comes back, and a session that has run out is renewed.
async function insist(method, url, headers) {
  for (let pause = 500; ; pause = Math.min(pause * 2, LONGEST_PAUSE)) {
    try {
      const answer = await ask(method, url, headers);
      if (answer.status === 401) await renew();
      else if (answer.status < 500 && answer.status !== 429) return checked(answer);
    } catch (error) {
      if (error instanceof Refused || given) throw error;
    }
    say("The connection is away. It goes on by itself …");
    await wait(pause);
  }
}

async function renew() {
  const answer = await fetch("/session", { method: "POST" });
  if (answer.status === 401) location.assign("/login?back=/upload");
}

function checked(answer) {
  if (answer.status < 400) return answer;
  let why = "";
  try { why = JSON.parse(answer.responseText).detail; } catch { /* it says nothing */ }
  throw new Refused(why || `It was refused (${answer.status}).`);
}

async function begin() {
  const named = { filename: file.name, filetype: file.type, title: $("title").value.trim(), privacy: form.elements.privacy.value };
  const metadata = Object.entries(named).filter(([, text]) => text)
    .map(([name, text]) => `${name} ${base64(new TextEncoder().encode(text))}`).join(",");
  const answer = await insist("POST", "/files/", { "Upload-Length": file.size, "Upload-Metadata": metadata });
  return answer.getResponseHeader("Location");
}

async function here() {
  const answer = await insist("HEAD", place, {});
  return Number(answer.getResponseHeader("Upload-Offset"));
}

async function checksum(part) {
  if (!crypto.subtle) return {};  // which browsers have only where pages come securely
  const digest = await crypto.subtle.digest("SHA-256", await part.arrayBuffer());
  return { "Upload-Checksum": `sha256 ${base64(new Uint8Array(digest))}` };
}

function progress(offset, sent, since, began) {
  const now = offset + sent, passed = (performance.now() - began) / 1000, speed = (now - since) / passed;
  $("bar").value = now / file.size;
  const left = speed > 0 && passed > 1 ? `, about ${Math.ceil((file.size - now) / speed)} s left` : "";
  say(`${Math.floor(100 * now / file.size)} %: ${size(now)} of ${size(file.size)}${passed > 1 ? `, ${size(speed)} a second` : ""}${left}`);
}

async function send() {
  let offset = await here(), pause = 500;
  const since = offset, began = performance.now();
  while (offset < file.size) {
    if (given) return false;
    if (paused) { say(`Paused at ${Math.floor(100 * offset / file.size)} %.`); await wait(200); continue; }
    const part = file.slice(offset, offset + PART), at = offset;
    const headers = { "Upload-Offset": offset, "Content-Type": "application/offset+octet-stream" };
    try {
      const answer = await ask("PATCH", place, { ...headers, ...await checksum(part) }, part, sent => progress(at, sent, since, began));
      if (answer.status === 204) {
        offset = Number(answer.getResponseHeader("Upload-Offset"));
        pause = 500;
        progress(offset, 0, since, began);
        continue;
      }
      if (answer.status === 401) await renew();
      else if (![409, 429, 460].includes(answer.status) && answer.status < 500) checked(answer);
    } catch (error) {
      if (error instanceof Refused) throw error;
      if (given || paused) continue;
    }
    say("The connection is away. It goes on by itself …");
    await wait(pause);
    pause = Math.min(pause * 2, LONGEST_PAUSE);
    offset = await here();
  }
  return true;
}

async function upload() {
  $("wrong").hidden = true;
  $("going").hidden = false;
  $("start").hidden = $("file").disabled = true;
  $("going").scrollIntoView({ block: "center" });
  try {
    const known = [...document.querySelectorAll("[data-upload]")]
      .find(one => one.dataset.name === file.name && Number(one.dataset.size) === file.size);
    place = known ? `/files/${known.dataset.upload}` : await begin();
    if (await send()) location.assign("/yours?note=uploaded");
  } catch (error) {
    if (!given) fail(error.message[0].toUpperCase() + error.message.slice(1));
  }
}

function chosen() {
  file = $("file").files[0] ?? null;
  if (file && !$("title").value) $("title").value = file.name.replace(/\.[^.]*$/, "").slice(0, 200);
}

form.addEventListener("submit", event => { event.preventDefault(); chosen(); if (file) upload(); });
$("file").addEventListener("change", chosen);
$("pause").addEventListener("click", () => {
  paused = !paused;
  $("pause").textContent = paused ? "Go on" : "Pause";
  if (paused) current?.abort();
});
$("cancel").addEventListener("click", async () => {
  given = true;
  current?.abort();
  if (place) await fetch(place, { method: "DELETE", headers: TUS }).catch(() => null);
  location.assign("/upload");
});

const drop = document.querySelector(".drop");
for (const [name, over] of [["dragenter", true], ["dragover", true], ["dragleave", false], ["drop", false]]) {
  drop.addEventListener(name, event => { event.preventDefault(); drop.classList.toggle("over", over); });
}
drop.addEventListener("drop", event => {
  if (event.dataTransfer.files.length) { $("file").files = event.dataTransfer.files; chosen(); }
});
