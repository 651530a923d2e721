/**
 * Loaded into a program with `node --import`: every write of a safetensors file takes its time (SLOW_DISK
 * milliseconds at each of six steps: opened, written twice, on the disk, before and after it has its name), and is told
 * on stderr when it begins. Whoever kills the program then hits the middle of it.
 */
import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';

const pause = Number(process.env.SLOW_DISK ?? 0);
/** By descriptor how many pieces have taken their time. */
const watched = new Map();
const slowPieces = 2;
let writes = 0;
const sleep = () => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, pause);
const { openSync, writeSync, fsyncSync, renameSync, closeSync } = fs;

fs.openSync = (path, flags, ...rest) => {
  const descriptor = openSync(path, flags, ...rest);
  if (flags === 'w' && /\.safetensors/.test(path)) {
    fs.writeSync(2, `@writing ${writes++} ${path}\n`);
    watched.set(descriptor, 0);
    sleep();
  }
  return descriptor;
};

fs.writeSync = (descriptor, bytes, offset, length, ...rest) => {
  if (!watched.has(descriptor)) return writeSync(descriptor, bytes, offset, length, ...rest);
  const written = writeSync(descriptor, bytes, offset, Math.ceil(length / 2), ...rest);
  const pieces = watched.get(descriptor);
  if (length > 2 ** 12 && pieces < slowPieces) {
    watched.set(descriptor, pieces + 1);
    sleep();
  }
  return written;
};

fs.fsyncSync = (descriptor) => {
  if (watched.has(descriptor)) sleep();
  fsyncSync(descriptor);
};

fs.closeSync = (descriptor) => {
  watched.delete(descriptor);
  closeSync(descriptor);
};

fs.renameSync = (from, to) => {
  const slow = /\.safetensors/.test(from);
  if (slow) sleep();
  renameSync(from, to);
  if (slow) sleep();
};

syncBuiltinESMExports();
