/**
 * Training against PyTorch, from the weights of a PyTorch network, as a user would take them over: the table of
 * `export --names` is filled in, `run --init --init-names` trains, and the loss of every step is compared with
 * PyTorch's own optimizer, schedule and clipping.
 *
 *   python3 -m venv /tmp/torch-check && /tmp/torch-check/bin/pip install torch==2.13.0 numpy safetensors
 *   npx tsx scripts/torch-training.ts /tmp/torch-check/bin/python
 *
 * Prints the largest relative difference of each way to train; ends with 1 where one is above 1e-5.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { dataDirectory, type Paint } from '../runtime/tests/test-data.ts';
import { root, succeeding } from '../tests/support/command-line.ts';

const [python = 'python3'] = process.argv.slice(2);
const LIMIT = 1e-5;
const [SIDE, SAMPLES, STEPS] = [32, 4, 20];

type Way = {
  /** As the text says it; RATE is replaced by the curve. */
  readonly text: string;
  readonly optimizer: 'adam' | 'adamw' | 'sgd';
  /** Further arguments of PyTorch's optimizer. */
  readonly arguments: Readonly<Record<string, number | boolean>>;
  readonly rate: number;
  readonly curve?: 'constant' | 'cosine' | 'step';
  readonly warmUp?: number;
  readonly clip?: number;
  readonly activation?: 'relu' | 'silu';
};

/** Steps between two drops of the curve `step`. */
const EVERY = 6;

const ways: readonly Way[] = [
  { text: 'adam(RATE)', optimizer: 'adam', arguments: {}, rate: 3e-3 },
  { text: 'adam(RATE)', optimizer: 'adam', arguments: {}, rate: 3e-3, activation: 'silu' },
  { text: 'adam(RATE, decay = 0.01)', optimizer: 'adam', arguments: { weight_decay: 0.01 }, rate: 3e-3 },
  {
    text: 'adam(RATE, beta1 = 0.8, beta2 = 0.95, epsilon = 1e-6)',
    optimizer: 'adam',
    arguments: { eps: 1e-6 },
    rate: 3e-3,
  },
  { text: 'adamw(RATE)', optimizer: 'adamw', arguments: {}, rate: 3e-3 },
  {
    text: 'adamw(RATE, decay = 0.1)',
    optimizer: 'adamw',
    arguments: { weight_decay: 0.1 },
    rate: 3e-3,
    curve: 'cosine',
    warmUp: 5,
  },
  { text: 'sgd(RATE)', optimizer: 'sgd', arguments: {}, rate: 1 },
  {
    text: 'sgd(RATE, momentum = 0.9)',
    optimizer: 'sgd',
    arguments: { momentum: 0.9 },
    rate: 0.3,
    curve: 'step',
  },
  {
    text: 'sgd(RATE, momentum = 0.9, nesterov = true)',
    optimizer: 'sgd',
    arguments: { momentum: 0.9, nesterov: true },
    rate: 0.3,
    curve: 'cosine',
  },
  {
    text: 'sgd(RATE, momentum = 0.9, nesterov = true, decay = 0.01)',
    optimizer: 'sgd',
    arguments: { momentum: 0.9, nesterov: true, weight_decay: 0.01 },
    rate: 0.3,
    warmUp: 4,
  },
  {
    text: 'sgd(RATE, momentum = 0.9)',
    optimizer: 'sgd',
    arguments: { momentum: 0.9 },
    rate: 0.1,
    clip: 0.05,
  },
  { text: 'adam(RATE)', optimizer: 'adam', arguments: {}, rate: 3e-3, clip: 0.1, curve: 'cosine' },
];

const folder = mkdtempSync(join(tmpdir(), 'unetc-test-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));

const paintImage =
  (sample: number): Paint =>
  (y, x, channel) =>
    Math.round(
      127 + 120 * Math.sin((y * (3 + sample) + x * 5 + channel * 17) / 9) * Math.cos((x - y * sample) / 7),
    );
const paintLabel =
  (sample: number): Paint =>
  (y, x) =>
    Number(paintImage(sample)(y, x, 0) + paintImage(sample)(y, x, 1) > 260);

const samples = Array.from({ length: SAMPLES }, (_, i) => i);

/** Every window is a whole image and every step sees all of them, so nothing depends on what is drawn. */
const data = await dataDirectory(
  Object.fromEntries(
    samples.flatMap((i) => [
      [`images/${i}.png`, { height: SIDE, width: SIDE, paint: paintImage(i) }],
      [`labels/${i}.png`, { height: SIDE, width: SIDE, channels: 1, paint: paintLabel(i) }],
    ]),
  ),
);

const cells = Array.from({ length: SIDE * SIDE }, (_, i) => [Math.floor(i / SIDE), i % SIDE] as const);
writeFileSync(
  join(folder, 'batch.json'),
  JSON.stringify({
    dims: [SAMPLES, 3, SIDE, SIDE],
    images: samples.flatMap((i) => [0, 1, 2].flatMap((c) => cells.map(([y, x]) => paintImage(i)(y, x, c)))),
    labels: samples.flatMap((i) => cells.map(([y, x]) => paintLabel(i)(y, x, 0))),
  }),
);

const torch = (what: string): string =>
  execFileSync(python, [join(root, 'scripts/torch-training.py'), what, folder], { encoding: 'utf8' });

const rateText = ({ rate, curve = 'constant', warmUp = 0 }: Way): string => {
  const rest = [
    ...(curve === 'step' ? [`every = ${EVERY}`] : []),
    ...(warmUp > 0 ? [`warm_up = ${warmUp}`] : []),
  ];
  return `${curve}(${[rate, ...rest].join(', ')})`;
};

const trainText = (way: Way): string =>
  `${way.text.replace('RATE', rateText(way))}, batch = ${SAMPLES}, steps = ${STEPS}${way.clip === undefined ? '' : `, clip = ${way.clip}`}`;

const modelText = (way: Way): string => `model check
input image : f32[3, ${SIDE}, ${SIDE}] scaled by 1/255
target land : class[${SIDE}, ${SIDE}] of 2
block double_conv(x, c) = x |> conv(c, 3) |> ${way.activation ?? 'relu'} |> conv(c, 3) |> ${way.activation ?? 'relu'}
let logits = image
  |> unet(2) {
       encode(l, x)       = x |> double_conv(8 * 2^l)
       down(l, x)         = x |> max_pool(2)
       decode(l, skip, x) = concat(skip, x |> up_conv(8 * 2^l, 2)) |> double_conv(8 * 2^l)
     }
  |> conv(2, 1)
loss cross_entropy(logits, land)
train ${trainText(way)}
`;

/** PyTorch's modules, by the beginning of our names. */
const modules: readonly (readonly [ours: RegExp, theirs: string])[] = [
  [/^unet\.encode\[0\]\.double_conv\.conv\[(\d)\]|^unet\.encode\[0\]\.conv\[(\d)\]/, 'inc'],
  [/^unet\.encode\[1\]\.conv\[(\d)\]/, 'down1'],
  [/^unet\.(?:encode\[2\]|bottom)\.conv\[(\d)\]/, 'bottom'],
  [/^unet\.decode\[1\]\.conv\[(\d)\]/, 'dec1'],
  [/^unet\.decode\[0\]\.conv\[(\d)\]/, 'dec0'],
  [/^unet\.decode\[1\]\.up_conv\[0\]/, 'up1'],
  [/^unet\.decode\[0\]\.up_conv\[0\]/, 'up0'],
  [/^conv\[0\]/, 'outc'],
];

/** `dec1.2.weight` of `unet.decode[1].conv[1].weight`: activations count in a Sequential. */
function theirName(ours: string): string {
  const found = modules.find(([pattern]) => pattern.test(ours));
  if (found === undefined) throw new Error(`no module for ${ours}`);
  const index = found[0]
    .exec(ours)
    ?.slice(1)
    .find((text) => text !== undefined);
  const last = ours.split('.').at(-1);
  return [found[1], ...(index === undefined ? [] : [2 * Number(index)]), last].join('.');
}

async function lossesOfOurs(way: Way, name: string): Promise<number[]> {
  const [model, bundle, names] = ['unet', 'plan', 'json'].map((end) => join(folder, `${name}.${end}`));
  writeFileSync(model ?? '', modelText(way));
  await succeeding(`compile ${model} --devices 1 --threads 1 -o ${bundle}`);
  await succeeding(`export ${bundle} --names ${names}`);
  const table: Record<string, { from: string }> = JSON.parse(readFileSync(names ?? '', 'utf8'));
  for (const [ours, entry] of Object.entries(table)) entry.from = theirName(ours);
  writeFileSync(names ?? '', JSON.stringify(table));
  const init = `--init ${join(folder, 'start.safetensors')} --init-names ${names}`;
  const lines = await succeeding(`run ${bundle} --data ${data} --json ${init}`);
  return lines
    .split('\n')
    .flatMap((line) => (line.includes('"loss"') ? [Number(JSON.parse(line).loss)] : []));
}

function lossesOfTorch(way: Way): number[] {
  const { curve = 'constant', warmUp = 0, clip = null, activation = 'relu' } = way;
  const told = { ...way, curve, warmUp, clip, activation, steps: STEPS, every: EVERY };
  const betas = /beta1 = ([\d.]+), beta2 = ([\d.]+)/.exec(way.text)?.slice(1).map(Number);
  const extra = betas === undefined ? {} : { betas };
  writeFileSync(
    join(folder, 'training.json'),
    JSON.stringify({ ...told, arguments: { ...way.arguments, ...extra } }),
  );
  return JSON.parse(torch('train'));
}

torch('new');
let failed = 0;
for (const [i, way] of ways.entries()) {
  const [ours, theirs] = [await lossesOfOurs(way, `way-${i}`), lossesOfTorch(way)];
  const errors = theirs.map((loss, step) => Math.abs((ours[step] ?? Number.NaN) - loss) / loss);
  const worst = Math.max(...errors);
  const good = ours.length === STEPS && theirs.length === STEPS && worst <= LIMIT;
  if (!good) failed++;
  console.log(
    `${good ? 'ok    ' : 'DIFFER'} ${worst.toExponential(1)}  loss ${theirs[0]?.toFixed(4)} -> ${theirs.at(-1)?.toFixed(4)}  ${way.activation ?? 'relu'}, ${trainText(way)}`,
  );
}
console.log(`\n${ways.length} ways to train, ${STEPS} steps each: ${failed} above ${LIMIT}.`);
process.exitCode = failed === 0 ? 0 : 1;
