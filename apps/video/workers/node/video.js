// What workers in Node.js do for transcoding: encode pieces with ffmpeg, as apps/video/transcoding/work.py does.
import fs from "node:fs/promises";
import os from "node:os";
import path from "node:path";

// The same as of workers in Python, whose next job removes the folders of processes that were killed.
const SCRATCH = "craton-ffmpeg-";
const BEFORE = ["-hide_banner", "-nostdin", "-loglevel", "error", "-y", "-progress", "pipe:1", "-stats_period", "0.5"];
const LIMITS = ["--as=4294967296", "--fsize=68719476736", "--core=0"]; // bytes of memory, and of the largest file

// A Chunk: `ffmpeg <before> -i <source> <after> <a file>`; gives an Encoded.
async function encode({ rendition, index, source, before, after, frames: expected }, job) {
  const blob = `${job.folder}/${rendition}-${String(index).padStart(5, "0")}.mp4`;
  return scratch(async (folder) => {
    const target = path.join(folder, "piece.mp4");
    const frames = await job.blobs.local(source, (file) => ffmpeg([...before, "-i", file, ...after, target], job, expected));
    const { size } = await fs.stat(target);
    await job.blobs.putFile(blob, target);
    return { rendition, index, path: blob, frames, size };
  });
}

// Run ffmpeg, telling how far it is; resolves to the frames it made.
async function ffmpeg(args, job, expected) {
  let frames = 0;
  const line = (text) => {
    const [name, value] = text.split("=");
    if (name !== "frame" || !/^\s*\d+\s*$/.test(value)) return;
    frames = Number(value);
    job.progress(Math.min(1, frames / Math.max(1, expected)));
  };
  await job.run("prlimit", [...LIMITS, "ffmpeg", ...BEFORE, ...args], { line });
  return frames;
}

async function scratch(use) {
  const folder = await fs.mkdtemp(path.join(os.tmpdir(), `${SCRATCH}${process.pid}-`));
  try {
    return await use(folder);
  } finally {
    await fs.rm(folder, { recursive: true, force: true });
  }
}

export default { "transcoding.encode": encode };
