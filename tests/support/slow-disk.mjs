/**
 * Loaded into a program with `node --import`: every write of a safetensors file takes its time (SLOW_DISK
 * milliseconds at each of its steps), and is told on stderr when it begins. Whoever kills the program then
 * hits the middle of it.
 */
import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';

const pause = Number(process.env.SLOW_DISK ?? 0);
const watched = new Set();
let writes = 0;
const sleep = () => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, pause);
const { openSync, writeSync, fsyncSync, renameSync, closeSync } = fs;

fs.openSync = (path, flags, ...rest) => {
  const descriptor = openSync(path, flags, ...rest);
  if (flags === 'w' && /\.safetensors/.test(path)) {
    fs.writeSync(2, `@writing ${writes++} ${path}\n`);
    watched.add(descriptor);
    sleep();
  }
  return descriptor;
};

fs.writeSync = (descriptor, bytes, offset, length, ...rest) => {
  if (!watched.has(descriptor)) return writeSync(descriptor, bytes, offset, length, ...rest);
  const written = writeSync(descriptor, bytes, offset, Math.ceil(length / 2), ...rest);
  if (length > 2 ** 12) sleep();
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
