// What JavaScript adds to pages that work without it. No framework, nothing from elsewhere.
"use strict";

document.documentElement.classList.add("scripted");

// A choice takes effect at once; the button for it is needed only without JavaScript.
for (const field of document.querySelectorAll("[data-submits]")) {
  field.addEventListener("change", () => field.form.reportValidity() && field.form.requestSubmit());
}
for (const field of document.querySelectorAll("[data-presses]")) {
  field.addEventListener("change", () => field.form.requestSubmit(document.getElementById(field.dataset.presses)));
}

// A form that was sent shows it, and is not sent again by a second click. (The shop would do it once, anyway.)
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (form.dataset.once === undefined) return;
  if (form.dataset.sent !== undefined) return event.preventDefault();
  form.dataset.sent = "";
  event.submitter?.setAttribute("aria-busy", "true");
});

// A page that the browser kept holds keys that were used: a form sent from there means something new.
addEventListener("pageshow", (event) => {
  if (event.persisted) location.reload();
});

// What is still under way is looked at again and again, until nothing more will happen by itself.
const followed = document.querySelector("[data-follow]");
let pause = 700;

async function follow() {
  try {
    const answer = await fetch(followed.dataset.follow, { headers: { Accept: "text/html" } });
    if (answer.redirected) return location.replace(answer.url);
    if (answer.ok) show(await answer.text());
  } catch {
    // the network is away for a moment: the next look may find it
  }
  pause = Math.min(pause * 1.25, 5000);
  if (followed.dataset.follow) setTimeout(follow, pause);
}

function show(text) {
  const found = new DOMParser().parseFromString(text, "text/html");
  const state = found.getElementById("state") ?? found.body;
  const still = state.dataset.follow ?? state.querySelector("[data-live]")?.dataset.live;
  if (state.textContent.replace(/\s+/g, " ") !== followed.textContent.replace(/\s+/g, " ")) {
    followed.replaceChildren(...state.childNodes);
  }
  if (still === undefined) delete followed.dataset.follow;
}

if (followed) setTimeout(follow, pause);
