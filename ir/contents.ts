/** What the bytes that a device holds are there for. */
import { at } from './box.ts';
import { buffersByName } from './buffers.ts';
import { type Footprint, footprintsOf, totalOf } from './footprint.ts';
import { valueOfBytes } from './lean.ts';
import type { Buffer, Instruction, Plan, Role } from './plan.ts';
import { remembered } from './remembered.ts';
import { meaningsOf } from './verify/names.ts';

/**
 * `optimizer`: its averages and momenta; `inputs`: pixels, labels, masks; `activations`: values of the model, and bytes
 * noted of them;
 * `cotangents`: their shares on the way back; `messages`: what an exchange, a gather or another stage brings,
 * and copies of it that are under way; `workspace`: what the backend takes while a segment runs; `reserve`: places in
 * the arena of a device process that hold nothing at the moment; `process`: what such a process takes for itself.
 */
export const contentKinds = [
  'weights',
  'optimizer',
  'gradients',
  'inputs',
  'activations',
  'cotangents',
  'messages',
  'workspace',
  'reserve',
  'process',
] as const;

export type ContentKind = (typeof contentKinds)[number];

/** Something alive at a moment; a workspace has the name of its segment. */
export type Content = { readonly name: string; readonly kind: ContentKind; readonly bytes: number };

/** What an instruction leaves in the buffer that it writes first. */
const written: { readonly [K in Instruction['do']]?: ContentKind } = {
  load: 'inputs',
  draw: 'inputs',
  count: 'inputs',
  rate: 'optimizer',
  exchange: 'messages',
  receive: 'messages',
  all_gather: 'messages',
  reduce_scatter: 'messages',
};

/** Of what kind a buffer of a role is. */
export function kindsIn(plan: Plan, role: Role): (buffer: Buffer) => ContentKind {
  const gradients = gradientsOf(role);
  const slots = slotsOf(plan);
  const meaning = meaningsOf(plan)(role);
  return ({ name, value, birth }) => {
    const slot = slots.get(name);
    if (slot !== undefined) return slot === 'weight' ? 'weights' : 'optimizer';
    if (gradients.has(name)) return 'gradients';
    const known = birth < 0 ? 'weights' : written[at(role.instructions, birth).do];
    const isOfForward = meaning(value) !== undefined || valueOfBytes(value) !== undefined;
    return known ?? (isOfForward ? 'activations' : 'cotangents');
  };
}

const slotsOf = remembered(
  ({ states }: Plan) => new Map(states.map(({ buffer, slot }) => [buffer, slot] as const)),
);

/** What updates read beside the state, and what is accumulated into it. */
function gradientsOf({ instructions, buffers }: Role): ReadonlySet<string> {
  const named = buffersByName(buffers);
  const rates = new Set<string>();
  const updating = new Set<string>();
  for (const one of instructions) {
    if (one.do === 'rate') rates.add(one.into);
    if (one.do === 'run' && one.why === 'update') for (const name of one.reads) updating.add(name);
  }
  const isLasting = (name: string) => (named.get(name)?.birth ?? 0) < 0;
  const found = new Set([...updating].filter((name) => !isLasting(name) && !rates.has(name)));
  for (let index = instructions.length - 1; index >= 0; index--) {
    const one = at(instructions, index);
    if ((one.do === 'accumulate' || one.do === 'paste') && found.has(one.into)) found.add(one.from);
  }
  return found;
}

/** Bytes of a device at each instruction of a role. */
export const memoryOf = (plan: Plan, role: Role): number[] => totalOf(footprintIn(plan, role));

const footprintIn = (plan: Plan, role: Role): Footprint => at(footprintsOf(plan), plan.roles.indexOf(role));

/** All that is alive at an instruction, the largest first. */
export function aliveAt(plan: Plan, role: Role, index: number): Content[] {
  const kindOf = kindsIn(plan, role);
  const instruction = role.instructions[index];
  const { reserve, messages, workspace, process } = footprintIn(plan, role);
  const alive = role.buffers
    .filter(({ birth, death }) => birth <= index && index <= death)
    .map((buffer): Content => ({ name: buffer.name, bytes: buffer.bytes, kind: kindOf(buffer) }));
  const segment = instruction?.do === 'run' ? instruction.segment : '';
  const others: Content[] = [
    { name: segment, kind: 'workspace', bytes: at(workspace, index) },
    { name: 'copies under way', kind: 'messages', bytes: at(messages, index) },
    { name: 'places of the arena', kind: 'reserve', bytes: at(reserve, index) },
    { name: 'the process itself', kind: 'process', bytes: at(process, index) },
  ];
  return [...alive, ...others.filter(({ bytes }) => bytes > 0)].sort((a, b) => b.bytes - a.bytes);
}

/** Bytes by kind; kinds that are not there have 0. */
export function bytesByKind(contents: readonly Content[]): Readonly<Record<ContentKind, number>> {
  const sums = Object.fromEntries(contentKinds.map((kind) => [kind, 0])) as Record<ContentKind, number>;
  for (const { kind, bytes } of contents) sums[kind] += bytes;
  return sums;
}
