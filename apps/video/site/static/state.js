// How far a video is: asked for every few seconds, until it goes on no more.
const PAUSE = 2000;

async function follow(shown) {
  while (shown.dataset.goesOn) {
    await new Promise(done => setTimeout(done, PAUSE));
    if (document.hidden) continue;
    try {
      const answer = await fetch(shown.dataset.goesOn);
      if (answer.redirected || answer.status === 404) return location.reload();
      if (!answer.ok) continue;
      const next = new DOMParser().parseFromString(await answer.text(), "text/html").querySelector(".state");
      if (!next.dataset.goesOn) return location.reload();
      if (next.innerHTML !== shown.innerHTML) shown.replaceChildren(...next.childNodes);
      shown.className = next.className;
    } catch { /* the network is away; it is asked again */ }
  }
}

document.querySelectorAll("[data-goes-on]").forEach(follow);
