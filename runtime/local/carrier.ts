/**
 * The thread that carries the messages of a device. ONNX Runtime keeps the device's own thread for the whole length of a
 * segment: a message that was sent just before would stay until it is done, and whoever waits for it, too. So
 * stages would work one after another. Here it leaves, and what comes is taken, whatever the device does.
 */
import { once } from 'node:events';
import { createConnection, createServer, type Socket } from 'node:net';
import { parentPort, workerData } from 'node:worker_threads';
import type { CarrierData, CarrierOrder, CarrierReport } from './carrier-protocol.ts';
import { headerBytes } from './frame.ts';
import { type Link, openLink } from './link.ts';

const { rank, doors } = workerData as CarrierData;

const report = (words: CarrierReport): void =>
  parentPort?.postMessage(words, words.did === 'came' ? [words.message.buffer] : []);

const callers = new Map<number, Socket>();
const arrivals = new Map<number, (socket: Socket) => void>();
const links = new Map<number, Link>();

/** A device calls those of lower rank and is called by those of higher rank. */
const server = createServer((socket) => {
  // A caller that dies before its link is open is noticed by the wait for that link.
  socket.on('error', () => undefined);
  greeted(socket, (peer) => {
    const waiting = arrivals.get(peer);
    if (waiting === undefined) callers.set(peer, socket);
    else waiting(socket);
  });
});

async function call(peer: number): Promise<Socket> {
  const socket = createConnection(doors[peer] ?? '');
  await once(socket, 'connect');
  socket.write(greeting());
  return socket;
}

const beCalled = (peer: number): Promise<Socket> =>
  new Promise((resolve) => {
    const socket = callers.get(peer);
    if (socket === undefined) arrivals.set(peer, resolve);
    else resolve(socket);
  });

async function connect(): Promise<void> {
  const peers = [...doors.keys()].filter((peer) => peer !== rank);
  await Promise.all(
    peers.map(async (peer) => {
      const socket = await (peer < rank ? call(peer) : beCalled(peer));
      links.set(
        peer,
        openLink(socket, {
          came: (tag, message) =>
            report({ did: 'came', peer, tag, message: message as Uint8Array<ArrayBuffer> }),
          lost: () => report({ did: 'lost', peer }),
        }),
      );
      report({ did: 'connected', peer });
    }),
  );
  server.close();
}

/** The first bytes on a connection: who calls. */
function greeting(): Uint8Array {
  const bytes = new Uint8Array(headerBytes);
  new DataView(bytes.buffer).setUint32(0, rank, true);
  return bytes;
}

/** Waits for the greeting; what comes behind it stays in the socket. */
function greeted(socket: Socket, hear: (rank: number) => void): void {
  const look = () => {
    const bytes: Buffer | null = socket.read(headerBytes);
    if (bytes === null) return;
    socket.off('readable', look);
    hear(bytes.readUInt32LE(0));
  };
  socket.on('readable', look);
}

const failed = (reason: unknown): void =>
  report({ did: 'failed', reason: reason instanceof Error ? reason.message : String(reason) });

const handlers: {
  readonly [K in CarrierOrder['do']]: (order: Extract<CarrierOrder, { do: K }>) => void;
} = {
  connect: () => void connect().catch(failed),
  send: ({ peer, tag, message, number }) =>
    links.get(peer)?.send(tag, message, () => report({ did: 'sent', peer, number })),
  close() {
    for (const link of links.values()) link.close();
    server.close();
    parentPort?.close();
  },
};

parentPort?.on('message', (order: CarrierOrder) => {
  const obey = handlers[order.do] as (order: CarrierOrder) => void;
  obey(order);
});
server.on('error', failed);
server.listen(doors[rank], () => report({ did: 'listening' }));
