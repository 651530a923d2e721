/**
 * Lives of buffers: each is written before it is read, not used after it is freed, freed by the end of the
 * step unless it is state, and fits the segments that read and write it.
 */
import { at, sameBox } from '../box.ts';
import { type Diagnostic, diagnose, fault } from '../diagnostics/diagnostic.ts';
import type { Buffer, Instruction, NamedInstruction, Role } from '../plan.ts';
import { instructionInWords } from '../text/instruction-words.ts';
import { product, sameDims } from '../type.ts';
import { usesOf } from '../uses.ts';
import type { NamedBuffer, NamedCheck, NamedPlan, NamedProgram, NamedRole } from './alike.ts';
import type { IndexedPlan, Operand, RoleCheck } from './indexed.ts';

export const placeOf = (role: Pick<NamedProgram, 'name' | 'instructions'>, index: number): string =>
  `${role.name}: instruction ${index} (${instructionInWords(at(role.instructions, index))})`;

/** The first instruction that uses a buffer; the role where none does. */
export function placeOfBuffer(role: Pick<NamedProgram, 'name' | 'instructions'>, buffer: string): string {
  const index = role.instructions.findIndex((one) => {
    const { reads, writes, frees } = usesOf(one);
    return [reads, writes, frees].some((names) => names.includes(buffer));
  });
  return index < 0 ? role.name : placeOf(role, index);
}

/** The last instruction that `chosen` holds for, or the last of all: what is missing has no place of its own. */
export function placeOfLast(
  role: Pick<NamedProgram, 'name' | 'instructions'>,
  chosen: (one: NamedInstruction) => boolean,
): string {
  const index = role.instructions.findLastIndex(chosen);
  const last = index < 0 ? role.instructions.length - 1 : index;
  return last < 0 ? role.name : placeOf(role, last);
}

export const verifyLives: NamedCheck =
  ({ plan }) =>
  (role) =>
    lifeFaults(plan, role);

function lifeFaults(plan: NamedPlan, { role, buffers, uses, has }: NamedRole): Diagnostic[] {
  const faults: Diagnostic[] = [];
  const persistent = new Set(
    plan.states.filter(({ parameter }) => has.parameters.has(parameter)).map(({ buffer }) => buffer),
  );
  const alive = new Set(persistent);
  const born = new Map<string, number>();
  const last = new Map<string, number>();
  for (const { buffer: state, parameter } of plan.states) {
    if (!persistent.has(state)) continue;
    const value = buffers.get(state)?.value;
    if (value !== undefined && value !== parameter)
      faults.push(wrongBuffer(placeOfBuffer(role, state), state, `the value ${value}`, parameter));
    if (value === undefined) faults.push(notAlive(role.name, state, 'the plan keeps and the role lacks'));
  }
  role.instructions.forEach((_, index) => {
    const place = () => placeOf(role, index);
    const { reads, writes, frees } = at(uses, index);
    for (const names of [reads, frees])
      for (const name of names) {
        if (!alive.has(name))
          faults.push(notAlive(place(), name, born.has(name) ? 'was freed' : 'was not written'));
        last.set(name, index);
      }
    for (const name of writes) {
      if (!buffers.has(name)) faults.push(notAlive(place(), name, 'is not declared'));
      if (!alive.has(name)) born.set(name, index);
      alive.add(name);
      last.set(name, index);
    }
    for (const name of frees) {
      alive.delete(name);
      if (persistent.has(name)) faults.push(notAlive(place(), name, 'lives from step to step'));
    }
  });
  for (const name of alive)
    if (!persistent.has(name))
      faults.push(diagnose(fault('never-freed', { place: placeOfBuffer(role, name), buffer: name })));
  for (const buffer of role.buffers) faults.push(...statedFaults(role, buffer, persistent, born, last));
  return faults;
}

/** Buffers are as large as they say, and those of a `run` fit its segment. */
export const verifySizes: RoleCheck = (index) => {
  const parameters = new Set(index.plan.model.parameters.map(({ name }) => name));
  const known = { ...index, parameters };
  return ({ role, buffers }) => {
    const faults: Diagnostic[] = [];
    for (let i = 0; i < role.instructions.length; i++) {
      const one = at(role.instructions, i);
      if (one.do === 'run') faults.push(...segmentFaults(known, one, buffers, () => placeOf(role, i)));
    }
    for (const buffer of role.buffers) {
      const size = product(buffer.dims) * (buffer.element === 'f32' ? 4 : 1);
      if (buffer.bytes !== size) faults.push(wrongSize(role, buffer, size));
    }
    return faults;
  };
};

type Known = IndexedPlan & { readonly parameters: ReadonlySet<string> };

const wrongSize = (role: Role, { name, bytes }: Buffer, size: number): Diagnostic =>
  wrongBuffer(placeOfBuffer(role, name), name, `${bytes} bytes`, `${size}`);

const notAlive = (place: string, buffer: string, why: string): Diagnostic =>
  diagnose(fault('not-alive', { place, buffer, why }));

const wrongBuffer = (place: string, buffer: string, found: string, expected: string): Diagnostic =>
  diagnose(fault('wrong-buffer', { place, buffer, found, expected }));

/** What a buffer says of its life is what its instructions make of it. */
function statedFaults(
  role: NamedProgram,
  { name, birth, death }: NamedBuffer,
  persistent: ReadonlySet<string>,
  born: ReadonlyMap<string, number>,
  last: ReadonlyMap<string, number>,
): Diagnostic[] {
  const [from, to] = persistent.has(name)
    ? [-1, role.instructions.length]
    : [born.get(name) ?? birth, last.get(name) ?? death];
  if (birth === from && death === to) return [];
  const [found, expected] = [`a life from ${birth} to ${death}`, `from ${from} to ${to}`];
  return [wrongBuffer(placeOfBuffer(role, name), name, found, expected)];
}

/** A `run` gives each value of its segment's signature a buffer that fits. */
function segmentFaults(
  { segments, states, parameters }: Known,
  instruction: Extract<Instruction, { do: 'run' }>,
  buffers: ReadonlyMap<string, Buffer>,
  place: () => string,
): Diagnostic[] {
  const segment = segments.get(instruction.segment);
  if (segment === undefined) return [notAlive(place(), instruction.segment, 'is not a segment of the plan')];
  const { inputs, outputs } = segment.graph;
  const { reads, writes, why } = instruction;
  if (inputs.length !== reads.length || outputs.length !== writes.length)
    return [
      wrongBuffer(
        place(),
        segment.name,
        'another number of operands',
        `${inputs.length} and ${outputs.length}`,
      ),
    ];
  const faults: Diagnostic[] = [];
  for (let index = 0; index < segment.operands.length; index++) {
    const operand = segment.operands[index];
    const isInput = index < inputs.length;
    const buffer = buffers.get(isInput ? at(reads, index) : at(writes, index - inputs.length));
    if (buffer === undefined || operand === undefined) continue;
    const { name } = buffer;
    const { value } = operand;
    // An update gives its results new names; all else is bound by the name of the value. What an optimizer keeps
    // beside a weight is of the same value.
    const named =
      why === 'update'
        ? !isInput || (name === value && (states.has(name) || buffer.value === value))
        : buffer.value === value && (!parameters.has(value) || name === value);
    if (!named) faults.push(wrongBuffer(place(), name, `the value ${buffer.value}`, value));
    if (!fits(buffer, operand)) faults.push(sizeFault(place(), buffer, operand));
  }
  return faults;
}

const fits = (buffer: Buffer, { element, dims, bytes, box }: Operand): boolean =>
  sameDims(buffer.dims, dims) &&
  buffer.element === element &&
  buffer.bytes === bytes &&
  (buffer.box === undefined || box === undefined ? buffer.box === box : sameBox(buffer.box, box));

function sizeFault(place: string, buffer: Buffer, { dims, box }: Operand): Diagnostic {
  const cells = box === undefined ? '' : JSON.stringify(box);
  return wrongBuffer(place, buffer.name, `[${buffer.dims.join(', ')}]`, `[${dims.join(', ')}] ${cells}`);
}
