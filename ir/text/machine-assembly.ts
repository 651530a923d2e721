/** From what was read of a `.machine` text to the machine, and what it lacks. */
import { fault } from '../diagnostics/diagnostic.ts';
import {
  type Device,
  type Efficiencies,
  type KernelName,
  kernelClasses,
  type Launcher,
  type Link,
  launchers,
  type Machine,
  ownWorks,
  type Precision,
  precisions,
} from '../machine.ts';
import { opKinds } from '../ops/table.ts';
import type { Token } from './cursor.ts';
import { note, type Reading } from './machine-reading.ts';

/** What efficiencies may be given for, in the order in which they are printed. */
export const kernelNames: readonly KernelName[] = [
  ...new Set<KernelName>([...kernelClasses, ...opKinds, ...ownWorks]),
];

/** The machine of what was read; what it lacks is noted, and then it is not used. */
export function machineOf(reading: Reading, head: Token): Machine {
  const device = deviceOf(reading, head);
  const nodes = needed(reading, 'nodes', head);
  const devicesPerNode = needed(reading, 'node', head);
  const sockets = socketsOf(reading, devicesPerNode);
  const none = noLink(device);
  const inSocket = linkOf(reading, 'link', devicesPerNode > 1 ? undefined : none, head);
  const betweenSockets = linkOf(reading, 'between', sockets.length > 1 ? undefined : inSocket, head);
  const network = linkOf(reading, 'network', nodes > 1 ? undefined : none, head);
  return {
    name: reading.names.get('machine') ?? '',
    nodes,
    devicesPerNode,
    device,
    sockets,
    inSocket,
    betweenSockets,
    network,
    allReduce: allReduceOf(reading, nodes > 1 ? undefined : network, head),
    host: { memory: needed(reading, 'host.memory', head), link: needed(reading, 'host.link', head) },
    storage: needed(reading, 'storage', head),
    launcher: launcherOf(reading, head),
    ...(reading.provenance.size > 0 ? { provenance: Object.fromEntries(reading.provenance) } : {}),
  };
}

/** In place of a link that a machine without neighbours has no need of. */
export const noLink = ({ bandwidth }: Device): Link => ({
  name: 'none',
  bandwidth,
  latency: 0,
  shared: false,
});

/** A figure; where it is absent, its owner is told, or the whole machine if that is absent too. */
function needed(reading: Reading, place: string, head: Token): number {
  const amount = reading.figures.get(place);
  if (amount === undefined && !reading.tokens.has(place)) {
    const { token, statement, ...found } = missing(reading, place);
    if ([statement, found.word].some((word) => reading.broken.has(word))) return Number.NaN;
    note(reading, fault('figure-missing', found), token ?? head);
  }
  return amount ?? Number.NaN;
}

function missing({ tokens }: Reading, figure: string) {
  const [owner = '', ...rest] = figure.split('.');
  const statement = owner === 'device' ? 'node' : owner;
  const token = tokens.get(statement);
  return token === undefined || rest.length === 0
    ? {
        statement,
        place: 'the machine',
        word: statement === 'between' ? 'link NAME [..]-[..]' : statement,
        token,
      }
    : {
        statement,
        place: statement === 'between' ? 'the link between groups' : `\`${statement}\``,
        word: rest.join(' '),
        token,
      };
}

function deviceOf(reading: Reading, head: Token): Device {
  const need = (word: string) => needed(reading, `device.${word}`, head);
  const memory = need('memory');
  const reserve = need('reserve');
  if (reserve >= memory)
    note(
      reading,
      fault('figure-impossible', { word: 'reserve', why: 'leaves nothing of `memory`' }),
      reading.tokens.get('device.reserve') ?? head,
    );
  const dispatch = reading.figures.get('device.dispatch');
  const others = precisions.flatMap((precision): [Precision, number][] => {
    const peak = reading.figures.get(`device.${precision}`);
    return peak === undefined ? [] : [[precision, peak]];
  });
  const intensity = curvesOf(reading, 'intensity');
  const contention = reading.curves.get('device.contention');
  return {
    name: reading.names.get('device') ?? '',
    memory,
    reserve,
    peak: need('fp32'),
    ...(others.length > 0 ? { otherPeaks: Object.fromEntries(others) } : {}),
    bandwidth: need('bandwidth'),
    launch: need('launch'),
    ...(dispatch === undefined ? {} : { dispatch }),
    arithmetic: curvesOf(reading, 'arithmetic'),
    ...(Object.keys(intensity).length > 0 ? { intensity } : {}),
    traffic: curvesOf(reading, 'traffic'),
    ...(contention === undefined ? {} : { contention }),
    ...(reading.tokens.has('device.wave') ? { wave: waveOf(reading, head) } : {}),
  };
}

const curvesOf = ({ curves }: Reading, limit: string): Efficiencies =>
  Object.fromEntries(
    kernelNames.flatMap((kernel) => {
      const curve = curves.get(`device.efficiency.${kernel}.${limit}`);
      return curve === undefined ? [] : [[kernel, curve] as const];
    }),
  );

const waveOf = (reading: Reading, head: Token): NonNullable<Device['wave']> => ({
  processors: needed(reading, 'device.wave.processors', head),
  pixels: needed(reading, 'device.wave.pixels', head),
  channels: needed(reading, 'device.wave.channels', head),
});

/** `absent`: what holds where the text has no such link; undefined where it must. */
function linkOf(reading: Reading, place: string, absent: Link | undefined, head: Token): Link {
  if (absent !== undefined && !reading.tokens.has(place)) return absent;
  const curve = reading.curves.get(`${place}.share`);
  return {
    name: reading.names.get(place) ?? '',
    bandwidth: needed(reading, `${place}.bandwidth`, head),
    latency: needed(reading, `${place}.latency`, head),
    ...(curve === undefined ? {} : { curve }),
    shared: reading.tokens.has(`${place}.shared`),
  };
}

function allReduceOf(reading: Reading, absent: Link | undefined, head: Token): Machine['allReduce'] {
  if (absent !== undefined && !reading.tokens.has('all_reduce'))
    return { bandwidth: absent.bandwidth, latency: absent.latency };
  const curve = reading.curves.get('all_reduce.share');
  return {
    bandwidth: needed(reading, 'all_reduce.bandwidth', head),
    latency: needed(reading, 'all_reduce.latency', head),
    ...(curve === undefined ? {} : { curve }),
  };
}

function launcherOf(reading: Reading, head: Token): Launcher {
  if (!reading.tokens.has('launcher'))
    note(reading, fault('figure-missing', { place: 'the machine', word: 'launcher' }), head);
  return launchers.find((word) => word === reading.names.get('launcher')) ?? 'local';
}

const allOf = (count: number): number[] => Array.from({ length: count || 0 }, (_, i) => i);

/** The groups of devices, each device once. */
function socketsOf(reading: Reading, devices: number): readonly (readonly number[])[] {
  const given = reading.groups.get('link');
  if (given !== undefined) checkGroups(reading, given, devices);
  const sockets = given ?? [allOf(devices)];
  const between = reading.groups.get('between');
  if (between !== undefined && JSON.stringify(between) !== JSON.stringify(sockets))
    noteSockets(reading, 'between', 'that it lies between are not those of the link inside them');
  return sockets;
}

function checkGroups(reading: Reading, groups: readonly (readonly number[])[], devices: number): void {
  const named = groups.flat();
  const twice = named.find((device, i) => named.indexOf(device) !== i);
  const absent = allOf(devices).find((device) => !named.includes(device));
  const beyond = named.find((device) => device >= devices);
  const why =
    (twice !== undefined && `name device ${twice} twice`) ||
    (absent !== undefined && `do not name device ${absent} of ${devices}`) ||
    (beyond !== undefined && `name device ${beyond}, and a node has ${devices}`);
  if (why) noteSockets(reading, 'link', why);
}

function noteSockets(reading: Reading, place: string, why: string): void {
  const token = reading.tokens.get(place);
  if (token !== undefined) note(reading, fault('wrong-sockets', { word: 'link', why }), token);
}
