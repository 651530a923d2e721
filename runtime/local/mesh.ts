/** Connections of one device to every other, over Unix sockets in a folder that only this user can enter. */
import { once } from 'node:events';
import { createConnection, createServer, type Server, type Socket } from 'node:net';
import { socketPath } from './folder.ts';
import { headerBytes } from './frame.ts';
import { type Link, openLink } from './link.ts';
import { awaitPeer, type Patience, startSeconds } from './patience.ts';

/** Tagged messages of raw bytes between a device and each other one. Tags have 32 bits. */
export type Mesh = {
  readonly rank: number;
  readonly size: number;
  send(peer: number, tag: number, bytes: Uint8Array): Promise<void>;
  receive(peer: number, tag: number, into: Uint8Array, what: string): Promise<void>;
  close(): void;
};

export type Doors = {
  /** Connects to all others. Every device must be listening by now. */
  connect(patience: Patience): Promise<Mesh>;
};

/** Opens this device's door. A device calls those of lower rank and is called by those of higher rank. */
export async function listen(folder: string, rank: number, size: number): Promise<Doors> {
  const callers = new Map<number, Socket>();
  const arrivals = new Map<number, (socket: Socket) => void>();
  const server: Server = createServer((socket) => {
    // A caller that dies before its link is open is noticed by the wait for that link.
    socket.on('error', () => undefined);
    greeted(socket, (peer) => {
      const waiting = arrivals.get(peer);
      if (waiting === undefined) callers.set(peer, socket);
      else waiting(socket);
    });
  });
  server.listen(socketPath(folder, rank));
  await once(server, 'listening');

  const call = async (peer: number): Promise<Socket> => {
    const socket = createConnection(socketPath(folder, peer));
    await once(socket, 'connect');
    socket.write(greeting(rank));
    return socket;
  };
  const beCalled = (peer: number): Promise<Socket> =>
    new Promise((resolve) => {
      const socket = callers.get(peer);
      if (socket === undefined) arrivals.set(peer, resolve);
      else resolve(socket);
    });

  return {
    async connect(patience) {
      const peers = Array.from({ length: size }, (_, peer) => peer).filter((peer) => peer !== rank);
      const starting = { ...patience, seconds: Math.max(startSeconds, patience.seconds) };
      const links = await Promise.all(
        peers.map(async (peer) => {
          const socket = awaitPeer(peer < rank ? call(peer) : beCalled(peer), peer, 'a connection', starting);
          return openLink(await socket, peer, patience);
        }),
      );
      server.close();
      return mesh(rank, size, links);
    },
  };
}

function mesh(rank: number, size: number, links: readonly Link[]): Mesh {
  const byPeer = new Map(links.map((link) => [link.peer, link]));
  const to = (peer: number): Link => {
    const link = byPeer.get(peer);
    if (link === undefined) throw new RangeError(`device ${rank} has no connection to ${peer}`);
    return link;
  };
  return {
    rank,
    size,
    send: (peer, tag, bytes) => to(peer).send(tag, bytes),
    receive: (peer, tag, into, what) => to(peer).receive(tag, into, what),
    close: () => {
      for (const link of links) link.close();
    },
  };
}

/** The first bytes on a connection: who calls. */
function greeting(rank: number): Uint8Array {
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
