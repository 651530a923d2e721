/** Connections of one device to every other, over Unix sockets in a folder that only this user can enter. */
import { Worker } from 'node:worker_threads';
import type { CarrierData, CarrierOrder, CarrierReport } from './carrier-protocol.ts';
import { socketPath } from './folder.ts';
import { type Mailbox, openMailbox } from './mailbox.ts';
import { awaitPeer, type Patience, startSeconds } from './patience.ts';

/** Tagged messages of raw bytes between a device and each other one. Tags have 32 bits. */
export type Mesh = {
  readonly rank: number;
  readonly size: number;
  /** Ends when the message has left. Its memory is given away: the array is empty at once. */
  give(peer: number, tag: number, message: Uint8Array<ArrayBuffer>): Promise<void>;
  /** Fills `into` with the message of that tag; `what` names it if it does not come. */
  receive(peer: number, tag: number, into: Uint8Array, what: string): Promise<void>;
  close(): void;
};

export type Doors = {
  /** Connects to all others. Every device must be listening by now. */
  connect(patience: Patience): Promise<Mesh>;
};

/** Opens this device's door. A thread carries its messages (`carrier.ts`); a device that is alone needs none. */
export async function listen(folder: string, rank: number, size: number): Promise<Doors> {
  if (size === 1) return { connect: async () => alone(rank) };
  const doors = Array.from({ length: size }, (_, peer) => socketPath(folder, peer));
  const carrier = startCarrier({ rank, doors });
  await carrier.listening;
  return {
    async connect(patience) {
      await carrier.connect(patience);
      return meshOf(carrier, rank, size, patience);
    },
  };
}

function alone(rank: number): Mesh {
  const nobody = () => Promise.reject(new RangeError(`device ${rank} has no connections`));
  return { rank, size: 1, give: nobody, receive: nobody, close: () => undefined };
}

function meshOf(carrier: Carrier, rank: number, size: number, patience: Patience): Mesh {
  const mailboxOf = (peer: number): Mailbox => {
    const found = carrier.mailboxes.get(peer);
    if (found === undefined) throw new RangeError(`device ${rank} has no connection to ${peer}`);
    return found;
  };
  let count = 0;
  const give: Mesh['give'] = (peer, tag, message) => {
    const number = ++count;
    const departure = mailboxOf(peer).departure(number);
    carrier.post({ do: 'send', peer, tag, message, number });
    return awaitPeer(departure, peer, `message ${tag} to go`, patience);
  };
  return {
    rank,
    size,
    give,
    receive: (peer, tag, into, what) => awaitPeer(mailboxOf(peer).receive(tag, into), peer, what, patience),
    close: () => carrier.post({ do: 'close' }),
  };
}

/** The device's side of the thread. */
type Carrier = {
  readonly mailboxes: ReadonlyMap<number, Mailbox>;
  readonly listening: Promise<void>;
  connect(patience: Patience): Promise<void>;
  post(order: CarrierOrder): void;
};

function startCarrier(data: CarrierData): Carrier {
  const peers = [...data.doors.keys()].filter((peer) => peer !== data.rank);
  const mailboxes = new Map(peers.map((peer) => [peer, openMailbox(peer)]));
  const worker = startThread(data);
  const post = (order: CarrierOrder) =>
    worker.postMessage(order, order.do === 'send' ? [order.message.buffer] : []);
  const opened = signal();
  const connected = new Map(peers.map((peer) => [peer, signal()]));
  let patience: Patience | undefined;
  const fail = (reason: Error) => {
    for (const { reject } of [opened, ...connected.values()]) reject(reason);
    for (const mailbox of mailboxes.values()) mailbox.fail(reason);
  };
  const heard: {
    readonly [K in CarrierReport['did']]: (report: Extract<CarrierReport, { did: K }>) => void;
  } = {
    listening: () => opened.resolve(),
    connected: ({ peer }) => connected.get(peer)?.resolve(),
    sent: ({ peer, number }) => mailboxes.get(peer)?.left(number),
    came: ({ peer, tag, message }) => mailboxes.get(peer)?.came(tag, message),
    lost: ({ peer }) => patience && mailboxes.get(peer)?.lose(patience),
    failed: ({ reason }) => fail(new Error(reason)),
  };
  worker.on('message', (report: CarrierReport) =>
    (heard[report.did] as (one: CarrierReport) => void)(report),
  );
  worker.on('error', fail);
  return {
    mailboxes,
    listening: opened.promise,
    post,
    async connect(given) {
      patience = given;
      const starting = { ...given, seconds: Math.max(startSeconds, given.seconds) };
      post({ do: 'connect' });
      await Promise.all(
        [...connected].map(([peer, { promise }]) => awaitPeer(promise, peer, 'a connection', starting)),
      );
    },
  };
}

type Signal = {
  readonly promise: Promise<void>;
  readonly resolve: () => void;
  readonly reject: (reason: Error) => void;
};

/** A promise that others end. Until somebody waits for it, a failure is no one's. */
function signal(): Signal {
  let ends: Pick<Signal, 'resolve' | 'reject'> | undefined;
  const promise = new Promise<void>((resolve, reject) => {
    ends = { resolve, reject };
  });
  promise.catch(() => undefined);
  if (ends === undefined) throw new Error('a promise begins at once');
  return { promise, ...ends };
}

/** From sources the thread needs the loader that this one runs with: threads do not inherit it. */
function startThread(workerData: CarrierData): Worker {
  const isSource = import.meta.url.endsWith('.ts');
  const file = new URL(isSource ? './carrier.ts' : './carrier.js', import.meta.url);
  if (!isSource) return new Worker(file, { workerData });
  const loader = JSON.stringify(import.meta.resolve('tsx/esm/api'));
  const program = `import(${loader}).then(({ register }) => { register(); return import(${JSON.stringify(file.href)}); });`;
  return new Worker(program, { workerData, eval: true });
}
