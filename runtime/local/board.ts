/**
 * Where every device stands, as a small file that all processes of a run share: a slot a device, written
 * before each instruction. It outlives the process that wrote it, so whoever was killed, or hangs inside a
 * native call, has still said what it was about to do.
 */
import { closeSync, openSync, readSync, writeSync } from 'node:fs';

/** One place in a device's program. */
export type Place = {
  readonly step: number;
  /** Tile being predicted; in training the device's own. */
  readonly tile: number;
  readonly role: number;
  /** Index of the instruction in the role; -1: it waits for the step to begin. */
  readonly instruction: number;
};

export type Mark = Place & { /** Grows with every announcement. */ readonly count: number };

export type Board = {
  announce(place: Place): void;
  read(rank: number): Mark;
  close(): void;
};

const slotBytes = 64;

export const idle = { tile: 0, role: 0, instruction: -1 } as const;

/** Opens the board of a run; `rank` is whose slot `announce` writes. The first to open it makes it. */
export function openBoard(path: string, rank: number): Board {
  const file = openSync(path, 'a+', 0o600);
  closeSync(file);
  const fd = openSync(path, 'r+');
  const slot = new Float64Array(5);
  const bytes = new Uint8Array(slot.buffer);
  let count = 0;
  return {
    announce({ step, tile, role, instruction }) {
      slot.set([++count, step, tile, role, instruction]);
      writeSync(fd, bytes, 0, bytes.length, rank * slotBytes);
    },
    read: (of) => readSlot(fd, of),
    close: () => closeSync(fd),
  };
}

/** A device that has not written yet is between two steps. */
function readSlot(fd: number, rank: number): Mark {
  const slot = new Float64Array(5);
  const bytes = new Uint8Array(slot.buffer);
  const read = readSync(fd, bytes, 0, bytes.length, rank * slotBytes);
  const [count = 0, step = 0, tile = 0, role = 0, instruction = -1] = slot;
  return read < bytes.length || count === 0
    ? { ...idle, step: 0, count: 0 }
    : { count, step, tile, role, instruction };
}
