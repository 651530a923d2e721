/**
 * Machines as text. Each figure has its unit, and behind it how it is known: published, measured or assumed.
 *
 *   machine summit
 *     nodes 4608
 *     node 6 x v100 {
 *       memory     16 GiB published
 *       reserve    1.2 GiB assumed
 *       fp32       15.7 TFLOP/s published
 *       bandwidth  900 GB/s published
 *       launch     8 us assumed
 *       efficiency conv arithmetic { 1 MFLOP 0.2; 1 GFLOP 0.75 } assumed
 *       efficiency pointwise traffic 0.8 assumed
 *       contention { 1 1; 6 0.9 } assumed
 *       wave       { processors 80 published; pixels 128 assumed; channels 64 assumed }
 *     }
 *     link nvlink [0..2] [3..5] { bandwidth 43.8 GB/s measured; latency 21.7 us measured }
 *     link xbus [0..2]-[3..5] { bandwidth 32 GB/s published; latency 25 us assumed; shared }
 *     host { memory 512 GiB published; link 50 GB/s published }
 *     network fat_tree { bandwidth 23 GB/s per node published; latency 25 us assumed }
 *     all_reduce { bandwidth 20 GB/s per node assumed; latency 25 us assumed }
 *     storage 2.1 GB/s per node assumed
 *     launcher lsf
 */
import { failure, type Result, success } from '../diagnostics/diagnostic.ts';
import { type Curve, kernelClasses, type Link, launchers, type Machine, precisions } from '../machine.ts';
import { type Cursor, placed, TextFault, type Token } from './cursor.ts';
import { printName } from './data.ts';
import { kernelNames, machineOf, noLink } from './machine-assembly.ts';
import {
  deviceFigures,
  dispatchFigure,
  type Figures,
  hostFigures,
  limits,
  limitWords,
  linkFigures,
  nodeFigures,
  otherRate,
  storageFigure,
  waveFigures,
} from './machine-figures.ts';
import {
  beginReading,
  type Figure,
  mostDevices,
  once,
  type Reading,
  readBlock,
  readCurve,
  readFigure,
  readGroups,
  readQuantity,
  readStatements,
  readWord,
  type Words,
} from './machine-reading.ts';
import { indent } from './model.ts';
import { type Dimension, printQuantity } from './quantity.ts';

const readers = (place: string, figures: Figures): Words =>
  Object.fromEntries(
    Object.entries(figures).map(([word, figure]) => [
      word,
      (reading: Reading, token: Token) => readFigure(reading, `${place}.${word}`, figure, token),
    ]),
  );

const block =
  (place: string, figures: Figures) =>
  (reading: Reading, token: Token): void => {
    once(reading, place, token);
    readBlock(reading, `\`${place}\``, readers(place, figures));
  };

const deviceWords: Words = {
  ...readers('device', { ...deviceFigures, dispatch: dispatchFigure }),
  ...readers('device', Object.fromEntries(precisions.map((precision) => [precision, otherRate]))),
  efficiency(reading, token) {
    const kernel = readWord(reading.cursor, '`efficiency`', kernelNames, kernelClasses);
    const limit = readWord(reading.cursor, `the efficiency of \`${kernel}\``, limitWords);
    readCurve(reading, `device.efficiency.${kernel}.${limit}`, limits[limit], token);
  },
  contention: (reading, token) => readCurve(reading, 'device.contention', 'count', token),
  wave: block('device.wave', waveFigures),
};

const shareOf =
  (place: string) =>
  (reading: Reading, token: Token): void =>
    readCurve(reading, `${place}.share`, 'bytes', token);

const linkWords = (place: string, figures: Figures): Words => ({
  ...readers(place, figures),
  share: shareOf(place),
  shared: (reading, token) => once(reading, `${place}.shared`, token),
});

/** A link with groups joined by `-` is the one between them. */
function readLink(reading: Reading, token: Token): void {
  const name = reading.cursor.name('the name of the link');
  const { groups, between } = readGroups(reading.cursor);
  const place = between ? 'between' : 'link';
  once(reading, place, token);
  reading.names.set(place, name);
  if (groups.length > 0) reading.groups.set(place, groups);
  readBlock(reading, `\`link ${name}\``, linkWords(place, linkFigures));
}

const machineWords: Words = {
  nodes: (reading, token) => readFigure(reading, 'nodes', { dimension: 'count', most: 1e6 }, token),
  node(reading, token) {
    once(reading, 'node', token);
    reading.figures.set(
      'node',
      readQuantity(reading.cursor, 'node', { dimension: 'count', most: mostDevices }),
    );
    reading.cursor.expect('x');
    reading.names.set('device', reading.cursor.name('the name of the device'));
    readBlock(reading, '`node`', deviceWords);
  },
  link: readLink,
  network(reading, token) {
    once(reading, 'network', token);
    reading.names.set('network', reading.cursor.name('the name of the network'));
    readBlock(reading, '`network`', linkWords('network', nodeFigures));
  },
  host: block('host', hostFigures),
  all_reduce(reading, token) {
    once(reading, 'all_reduce', token);
    readBlock(reading, '`all_reduce`', {
      ...readers('all_reduce', nodeFigures),
      share: shareOf('all_reduce'),
    });
  },
  storage: (reading, token) => readFigure(reading, 'storage', storageFigure, token),
  launcher(reading, token) {
    once(reading, 'launcher', token);
    reading.names.set('launcher', readWord(reading.cursor, '`launcher`', launchers));
  },
};

/** Reads a machine; every fault of the text is reported. */
export function readMachine(text: string, file: string): Result<Machine> {
  const reading = beginReading(text, file);
  const head = reading.cursor.peek();
  try {
    reading.cursor.expect('machine');
    reading.names.set('machine', reading.cursor.name('the name of the machine'));
    readStatements(reading, 'a machine', machineWords, false);
  } catch (error) {
    if (error instanceof TextFault) return failure(placed(error, file));
    throw error;
  }
  const machine = machineOf(reading, head);
  return reading.diagnostics.length > 0 ? failure(...reading.diagnostics) : success(machine);
}

/** Reads the machine that a longer text ends with; such a text is made by the program, and its faults are few. */
export function readMachineAt(cursor: Cursor): Machine {
  const reading = { ...beginReading('', ''), cursor };
  const head = cursor.peek();
  cursor.expect('machine');
  reading.names.set('machine', cursor.name('the name of the machine'));
  readStatements(reading, 'a machine', machineWords, false);
  const machine = machineOf(reading, head);
  return reading.diagnostics.length > 0 ? cursor.fail('a machine without faults') : machine;
}

/** Figures that reading fills in where they are absent are left out. */
export const printMachine = (machine: Machine): string =>
  `${[`machine ${printName(machine.name)}`, ...indent(machineLines(machine))].join('\n')}\n`;

function machineLines(machine: Machine): string[] {
  const { nodes, devicesPerNode, device, sockets, inSocket, betweenSockets, network, allReduce } = machine;
  const groups = sockets.map(groupInWords);
  const own = noLink(device);
  const linkHead = [`link ${printName(inSocket.name)}`, ...(groups.length > 1 ? groups : [])].join(' ');
  const betweenHead = `link ${printName(betweenSockets.name)} ${groups.join('-')}`;
  const linkLine = line(linkHead, linkParts(machine, 'link', linkFigures, inSocket));
  const betweenLine = line(betweenHead, linkParts(machine, 'between', linkFigures, betweenSockets));
  const networkLine = line(
    `network ${printName(network.name)}`,
    linkParts(machine, 'network', nodeFigures, network),
  );
  const allReduceLine = line('all_reduce', [
    ...figures(machine, 'all_reduce', nodeFigures, allReduce),
    ...sharePart(machine, 'all_reduce', allReduce),
  ]);
  return [
    `nodes ${figureText(machine, 'nodes', { dimension: 'count' }, nodes)}`,
    `node ${devicesPerNode} x ${printName(device.name)} {`,
    ...indent(deviceLines(machine)),
    '}',
    ...(devicesPerNode === 1 && isSame(inSocket, own) ? [] : [linkLine]),
    ...(groups.length === 1 ? [] : [betweenLine]),
    ...(nodes === 1 && isSame(network, own) ? [] : [networkLine]),
    ...(nodes === 1 && isSame({ ...network, ...allReduce }, network) ? [] : [allReduceLine]),
    line('host', figures(machine, 'host', hostFigures, machine.host)),
    `storage ${figureText(machine, 'storage', storageFigure, machine.storage)}`,
    `launcher ${machine.launcher}`,
  ];
}

const line = (head: string, parts: readonly string[]): string => `${head} { ${parts.join('; ')} }`;

const isSame = (a: Link, b: Link): boolean =>
  a.name === b.name &&
  a.bandwidth === b.bandwidth &&
  a.latency === b.latency &&
  a.shared === b.shared &&
  a.curve === b.curve;

function deviceLines(machine: Machine): string[] {
  const { device } = machine;
  const given = precisions.filter((precision) => device.otherPeaks?.[precision] !== undefined);
  const others = Object.fromEntries(given.map((word) => [word, otherRate]));
  const dispatch = device.dispatch === undefined ? {} : { dispatch: dispatchFigure };
  const amounts = { ...device, ...device.otherPeaks, fp32: device.peak };
  return [
    ...figures(machine, 'device', { ...deviceFigures, ...dispatch, ...others }, amounts),
    ...kernelNames.flatMap((kernel) =>
      limitWords.flatMap((limit) => {
        const curve = device[limit]?.[kernel];
        const place = `device.efficiency.${kernel}.${limit}`;
        return curve === undefined
          ? []
          : [`efficiency ${kernel} ${limit} ${curveText(machine, place, limits[limit], curve)}`];
      }),
    ),
    ...(device.contention === undefined
      ? []
      : [`contention ${curveText(machine, 'device.contention', 'count', device.contention)}`]),
    ...(device.wave === undefined
      ? []
      : [line('wave', figures(machine, 'device.wave', waveFigures, device.wave))]),
  ];
}

const linkParts = (machine: Machine, place: string, table: Figures, link: Link): string[] => [
  ...figures(machine, place, table, link),
  ...sharePart(machine, place, link),
  ...(link.shared ? ['shared'] : []),
];

const sharePart = (machine: Machine, place: string, { curve }: Pick<Link, 'curve'>): string[] =>
  curve === undefined ? [] : [`share ${curveText(machine, `${place}.share`, 'bytes', curve)}`];

/** `memory 16 GiB published` for each figure of a table. */
function figures(machine: Machine, place: string, table: Figures, amounts: object): string[] {
  const byWord = new Map(Object.entries(amounts));
  return Object.entries(table).map(
    ([word, figure]) =>
      `${word} ${figureText(machine, `${place}.${word}`, figure, Number(byWord.get(word)))}`,
  );
}

const figureText = (machine: Machine, place: string, figure: Figure, amount: number): string =>
  printQuantity(amount, figure.dimension) + (figure.perNode ? ' per node' : '') + sourceOf(machine, place);

function sourceOf({ provenance }: Machine, place: string): string {
  const word = provenance?.[place];
  return word === undefined ? '' : ` ${word}`;
}

/** A share that holds for all sizes is a single number. */
function curveText(machine: Machine, place: string, dimension: Dimension, curve: Curve): string {
  const [first] = curve;
  const points = curve.map(({ size, share }) => `${printQuantity(size, dimension)} ${share}`);
  const text = curve.length === 1 && first?.size === 1 ? String(first.share) : `{ ${points.join('; ')} }`;
  return text + sourceOf(machine, place);
}

/** `[0..2]`; runs of neighbours are drawn together. */
function groupInWords(devices: readonly number[]): string {
  const runs: { from: number; to: number }[] = [];
  for (const device of devices) {
    const last = runs.at(-1);
    if (last !== undefined && device === last.to + 1) last.to = device;
    else runs.push({ from: device, to: device });
  }
  return `[${runs.map(({ from, to }) => (from === to ? from : `${from}..${to}`)).join(', ')}]`;
}
