// Files that all workers and services share: a folder (file:///...), or a bucket of S3 (s3://bucket/prefix).
import { randomBytes } from "node:crypto";
import fs from "node:fs/promises";
import { createReadStream, createWriteStream } from "node:fs";
import os from "node:os";
import path from "node:path";
import { pipeline } from "node:stream/promises";
import { fileURLToPath } from "node:url";
import { SettingsError } from "./errors.js";

export class Blobs {
  static at(url) {
    if (!url) throw new SettingsError("CRATON_BLOBS is not set: give file:///folder or s3://bucket/prefix.");
    if (url.startsWith("file://")) return new Folder(fileURLToPath(url));
    if (url.startsWith("s3://")) return new Bucket(new URL(url));
    throw new SettingsError(`CRATON_BLOBS is ${url}: give file:///folder or s3://bucket/prefix.`);
  }
}

const TRIES = 20;

// A path inside the blobs, with nothing that leads out of them.
function inside(name) {
  if (!name || name.split("/").some((part) => !part || part === "." || part === "..")) throw new TypeError(`${JSON.stringify(name)} is no path of a blob`);
  return name;
}

class Folder {
  constructor(root) {
    this.root = root;
  }

  file(name) {
    return path.join(this.root, inside(name));
  }

  // Call `use` with the path of a file that holds a blob, only to be read.
  async local(name, use) {
    return use(this.file(name));
  }

  async put(name, bytes) {
    await this.store(name, (part) => fs.writeFile(part, bytes));
  }

  // Store a file; it becomes visible whole or not at all.
  async putFile(name, file) {
    await this.store(name, (part) => fs.copyFile(file, part));
  }

  // Written beside its place, and moved there when it is whole and on the disk. (`.partial`: shown to nobody.)
  async store(name, write) {
    const file = this.file(name);
    const partial = `${file}.${randomBytes(6).toString("hex")}.partial`;
    try {
      await again(path.dirname(file), () => write(partial));
      await settle(partial);
      await fs.rename(partial, file);
      await settle(path.dirname(file));
    } finally {
      await fs.rm(partial, { force: true });
    }
  }

  // Remove a blob, or all below a path.
  async delete(name) {
    await fs.rm(this.file(name), { recursive: true, force: true });
  }
}

// Do something in a folder, which others may remove meanwhile since it is empty.
async function again(folder, work) {
  for (let tries = 1; ; tries += 1) {
    await fs.mkdir(folder, { recursive: true });
    try {
      return await work();
    } catch (error) {
      if (error.code !== "ENOENT" || tries === TRIES) throw error;
    }
  }
}

// Have a file, or the names in a folder, on the disk.
async function settle(file) {
  const handle = await fs.open(file, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

class Bucket {
  constructor(url) {
    Object.assign(this, { bucket: url.hostname, prefix: url.pathname.replace(/^\/+|\/+$/g, "") });
  }

  async open() {
    this.s3 ??= await import("@aws-sdk/client-s3").catch(() => {
      throw new SettingsError("CRATON_BLOBS is in S3: npm install @aws-sdk/client-s3 beside the worker.");
    });
    this.client ??= new this.s3.S3Client({ forcePathStyle: Boolean(process.env.AWS_ENDPOINT_URL_S3 || process.env.AWS_ENDPOINT_URL) });
    return this.s3;
  }

  key(name) {
    return { Bucket: this.bucket, Key: this.prefix ? `${this.prefix}/${inside(name)}` : inside(name) };
  }

  async local(name, use) {
    const { GetObjectCommand } = await this.open();
    const folder = await fs.mkdtemp(path.join(os.tmpdir(), "craton-blob-"));
    try {
      const file = path.join(folder, path.basename(name));
      const { Body } = await this.client.send(new GetObjectCommand(this.key(name)));
      await pipeline(Body, createWriteStream(file));
      return await use(file);
    } finally {
      await fs.rm(folder, { recursive: true, force: true });
    }
  }

  async put(name, bytes) {
    const { PutObjectCommand } = await this.open();
    await this.client.send(new PutObjectCommand({ ...this.key(name), Body: bytes }));
  }

  async putFile(name, file) {
    const { PutObjectCommand } = await this.open();
    const { size } = await fs.stat(file);
    await this.client.send(new PutObjectCommand({ ...this.key(name), Body: createReadStream(file), ContentLength: size }));
  }

  async delete(name) {
    const { DeleteObjectCommand, DeleteObjectsCommand, ListObjectsV2Command } = await this.open();
    const { Bucket, Key } = this.key(name);
    await this.client.send(new DeleteObjectCommand({ Bucket, Key }));
    for (let found; !found || found.IsTruncated; ) {
      found = await this.client.send(new ListObjectsV2Command({ Bucket, Prefix: `${Key}/` }));
      const Objects = (found.Contents ?? []).map((one) => ({ Key: one.Key }));
      if (Objects.length) await this.client.send(new DeleteObjectsCommand({ Bucket, Delete: { Objects } }));
    }
  }
}
