// The player: HLS by hls.js, or by the browser itself where it can; quality, resume position, and scenes to jump to.
"use strict";
(() => {
  const BEAT = 5000, FEW = 12, TRIES = 5;
  const $ = id => document.getElementById(id);
  const player = $("player"), { video, duration } = player.dataset;
  let start = Number(player.dataset.position), watched = 0, last = null, tries = 0, hls = null;

  function trouble(text) {
    $("trouble").textContent = text;
    $("trouble").hidden = !text;
  }

  // ---- what plays it

  function byHls() {
    hls = new Hls({ startPosition: start || -1, maxBufferLength: 30 });
    hls.on(Hls.Events.MANIFEST_PARSED, (_, data) => offer(data.levels));
    hls.on(Hls.Events.FRAG_BUFFERED, () => { tries = 0; trouble(""); });
    hls.on(Hls.Events.ERROR, (_, data) => { if (data.fatal) mend(data); });
    hls.loadSource(player.dataset.playlist);
    hls.attachMedia(player);
  }

  // Addresses expire: those of a player that was left alone for long are asked for anew.
  async function mend(data) {
    if (++tries > TRIES) return trouble("The video cannot be played at the moment. Reload the page to try again.");
    if (data.type === Hls.ErrorTypes.MEDIA_ERROR) return hls.recoverMediaError();
    trouble("The connection is away. It goes on by itself …");
    await new Promise(done => setTimeout(done, 500 * 2 ** tries));
    try {
      const answer = await fetch(`/watch/${encodeURIComponent(video)}/ticket`);
      if (answer.status === 404) return trouble("This video is gone.");
      if (!answer.ok) return mend(data);
      const ticket = await answer.json(), at = player.currentTime || start, plays = !player.paused;
      hls.destroy();
      [start, player.dataset.playlist] = [at, ticket.playlist];
      byHls();
      if (plays) player.play().catch(() => null);
    } catch { mend(data); }
  }

  function byItself() {
    player.src = player.dataset.playlist;
    player.addEventListener("loadedmetadata", () => { player.currentTime = start; }, { once: true });
    player.addEventListener("error", () => trouble("The video cannot be played. Reload the page to try again."));
  }

  function offer(levels) {
    const choice = $("quality");
    choice.replaceChildren(choice.options[0], ...levels.map((level, index) => new Option(name(level), index))
      .sort((a, b) => levels[b.value].height - levels[a.value].height));
    choice.onchange = () => { hls.nextLevel = Number(choice.value); };
    hls.on(Hls.Events.LEVEL_SWITCHED, (_, data) => {
      choice.options[0].text = hls.autoLevelEnabled ? `Automatic (${name(levels[data.level])})` : "Automatic";
    });
    document.querySelector(".quality").hidden = levels.length < 2;
  }

  const name = level => `${Math.min(level.height, level.width)}p`;

  // ---- where the viewer is

  function beat() {
    if (!watched) return;
    const told = new URLSearchParams({ position: player.currentTime.toFixed(2), watched: watched.toFixed(2) });
    navigator.sendBeacon(`/watch/${encodeURIComponent(video)}/beat`, told);
  }

  player.addEventListener("timeupdate", () => {
    const passed = last === null ? 0 : player.currentTime - last;
    if (!player.seeking && passed > 0 && passed < 2) watched += passed;  // a jump is not watched
    last = player.currentTime;
  });
  player.addEventListener("playing", () => { if ($("resumes")) $("resumes").hidden = true; });
  for (const event of ["pause", "ended"]) player.addEventListener(event, beat);
  addEventListener("pagehide", beat);
  setInterval(() => { if (!player.paused) beat(); }, BEAT);
  $("anew")?.addEventListener("click", () => { player.currentTime = start = 0; $("resumes").hidden = true; player.play(); });

  // ---- scenes: a few of the storyboard's pictures

  const seconds = text => text.split(":").reduce((sum, part) => sum * 60 + Number(part), 0);
  const clock = time => `${Math.floor(time / 60)}:${String(Math.floor(time % 60)).padStart(2, "0")}`;

  async function scenes() {
    if (!player.dataset.storyboard) return;
    const base = new URL(player.dataset.storyboard, location), answer = await fetch(base);
    if (!answer.ok) return;
    const cues = [...(await answer.text()).matchAll(/^([\d:.]+) --> .*\n(\S+)#xywh=(\d+),(\d+),(\d+),(\d+)/gm)];
    const some = cues.filter((_, index) => index % Math.ceil(cues.length / FEW) === 0);
    for (const [, from, file, x, y, width, height] of some) {
      const picture = new Image(), still = document.createElement("canvas"), button = document.createElement("button");
      [still.width, still.height] = [Number(width), Number(height)];
      picture.onload = () => still.getContext("2d").drawImage(picture, x, y, width, height, 0, 0, width, height);
      picture.src = new URL(file, base);
      const length = document.createElement("span");
      [length.className, length.textContent, button.type] = ["length", clock(seconds(from)), "button"];
      button.append(still, length);
      button.setAttribute("aria-label", `Go to ${clock(seconds(from))}`);
      button.onclick = () => { player.currentTime = seconds(from); player.play(); player.scrollIntoView({ block: "center" }); };
      const item = document.createElement("li");
      item.append(button);
      $("stills").append(item);
    }
    document.querySelector(".strip").hidden = !some.length;
  }

  if (window.Hls?.isSupported()) byHls();
  else if (player.canPlayType("application/vnd.apple.mpegurl")) byItself();
  else trouble("This browser cannot play the video.");
  window.player = { get hls() { return hls; }, duration: Number(duration) };
  scenes().catch(() => null);
})();
