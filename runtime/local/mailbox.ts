/** Messages between this device and one other, as its own thread sees them: what came early, and who waits for what. */
import { fault } from '../../ir/diagnostics/diagnostic.ts';
import { DeviceFault } from './fault.ts';
import { letGo } from './let-go.ts';
import type { Patience } from './patience.ts';

type Waiting = { readonly resolve: () => void; readonly reject: (reason: Error) => void };

type Wanted = Waiting & { readonly into: Uint8Array };

export type Mailbox = {
  /** Fills `into` with the message of that tag, once it is there. */
  receive(tag: number, into: Uint8Array): Promise<void>;
  /** Ends when the message of that number has left. */
  departure(number: number): Promise<void>;
  came(tag: number, message: Uint8Array): void;
  left(number: number): void;
  /** The other device is gone: nothing comes or leaves any more, but what came before is there. */
  lose(patience: Patience): void;
  fail(reason: Error): void;
};

export function openMailbox(peer: number): Mailbox {
  const early = new Map<number, Uint8Array>();
  const wanted = new Map<number, Wanted>();
  const leaving = new Map<number, Waiting>();
  let broken: Error | undefined;

  const hand = ({ into, resolve, reject }: Wanted, tag: number, message: Uint8Array) => {
    if (message.length !== into.length)
      return reject(
        new Error(`message ${tag} of device ${peer}: ${message.length} bytes, not ${into.length}`),
      );
    into.set(message);
    letGo(message);
    resolve();
  };

  const fail = (reason: Error) => {
    broken ??= reason;
    for (const { reject } of [...wanted.values(), ...leaving.values()]) reject(broken);
    wanted.clear();
    leaving.clear();
  };

  return {
    receive: (tag, into) =>
      new Promise((resolve, reject) => {
        const message = early.get(tag);
        early.delete(tag);
        if (message !== undefined) hand({ into, resolve, reject }, tag, message);
        else if (broken !== undefined) reject(broken);
        else wanted.set(tag, { into, resolve, reject });
      }),
    departure: (number) =>
      new Promise((resolve, reject) => {
        if (broken !== undefined) reject(broken);
        else leaving.set(number, { resolve, reject });
      }),
    came(tag, message) {
      const reader = wanted.get(tag);
      wanted.delete(tag);
      if (reader === undefined) early.set(tag, message);
      else hand(reader, tag, message);
    },
    left(number) {
      leaving.get(number)?.resolve();
      leaving.delete(number);
    },
    lose: ({ whereIs }) =>
      fail(new DeviceFault(fault('device-lost', { peer, instruction: whereIs(peer) }), peer)),
    fail,
  };
}
