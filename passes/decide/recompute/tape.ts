/**
 * What recompute is decided on: the forward and backward pass of one micro-batch as a list of steps over numbered
 * values, with the bytes of each value and the price of making it again. No ops, no shapes, so that the same
 * programme runs on other graphs, such as those of published optimisers.
 */
import { at } from '../../../ir/box.ts';
import { type Op, typesOf } from '../../../ir/graph.ts';
import { isSpatial } from '../../../ir/intervals.ts';
import { valueOfBytes } from '../../../ir/lean.ts';
import { type Input, type Model, resultsOf, trainedParameters } from '../../../ir/model.ts';
import type { Program } from '../../../ir/module.ts';
import { ops } from '../../../ir/ops/table.ts';
import { scoredOutputs } from '../../../ir/stages.ts';
import { bytesOf, type ValueType } from '../../../ir/type.ts';
import type { Profile } from '../profile.ts';

export type TapeStep = {
  /** Values that it reads. */
  readonly reads: readonly number[];
  /** The value that it makes. */
  readonly makes: number;
  /** Index of the op of the model that it carries out or differentiates. */
  readonly origin: number;
  /** What it reads instead where the bytes that are named were noted. */
  readonly lean?: { readonly bytes: number; readonly reads: readonly number[] };
  /** Steps of different sessions are apart; 0 where not given, 1 for what is done again. */
  readonly session?: number;
};

export type TapeValue = {
  readonly name: string;
  /** 0 for what is not counted here: parameters and their gradients. */
  readonly bytes: number;
  /** Bytes that count where it is given out of a session, and not otherwise: those of a parameter's gradient. */
  readonly gradientBytes?: number;
  /** Seconds of making it again from what the step that makes it reads; absent where it cannot be dropped. */
  readonly price?: number;
  /** Of bytes that may be noted in place of keeping maps (`ir/lean.ts`): seconds that this adds. They are not dropped. */
  readonly noting?: number;
  /** Dropped with what it is cut from. */
  readonly follows?: boolean;
  /** There from the first step on. */
  readonly early?: boolean;
  /** There until after the last step. */
  readonly late?: boolean;
};

export type Tape = {
  readonly values: readonly TapeValue[];
  /** The forward pass, then the backward pass. */
  readonly steps: readonly TapeStep[];
  /** Steps of the forward pass. */
  readonly forward: number;
  /**
   * Steps that run as one session: what goes into or comes out of it is there as long as it runs. Else each step
   * is on its own.
   */
  readonly sessions: boolean;
  /** Whether the executor has what a session gives twice when the session ends. */
  readonly copies?: boolean;
  /** Seconds that it takes beyond those of the plain pass whatever is dropped. */
  readonly seconds?: number;
};

/** 1 for each value that is dropped, and for bytes that are noted. */
export type Drops = Uint8Array;

/** What a caller knows about the device's part of the model: see `RecomputeQuestion`. */
export type Amounts = {
  readonly profile: Profile;
  readonly forward: readonly number[];
  readonly bytes: ReadonlyMap<string, number>;
  /** Values of which bytes may be noted, and the seconds that this adds; absent: of none. */
  readonly noting?: ReadonlyMap<string, number>;
  /** Values of which bytes are noted in any case. */
  readonly noted?: readonly string[];
};

/** The untiled program of a profile with the bytes of the device's part. */
export function tapeOf(amounts: Amounts): Tape {
  const { model } = amounts.profile;
  const { graph, origins, forward = graph.ops.length } = programOf(amounts);
  const ways = readingWays(amounts);
  const numbers = new Map<string, number>();
  const values: TapeValue[] = [];
  const add = (value: TapeValue): number => {
    numbers.set(value.name, values.length);
    return values.push(value) - 1;
  };
  const sources = new Map(model.inputs.map((input) => [input.name, input]));
  const gradients = new Set(gradientNames(model));
  const results = new Set([...gradients, ...resultsOf({ ...model, outputs: scoredOutputs(model) })]);
  const scored = new Set(scoredOutputs(model).map(({ name }) => name));
  const scale = scaleOf(amounts);
  for (const { name, type } of graph.inputs)
    add({ name, bytes: inputBytes(amounts, sources.get(name), type), early: true, late: scored.has(name) });
  const alive = liveOps(graph.ops, results);
  const steps = graph.ops.flatMap((op, index): TapeStep[] => {
    if (alive[index] !== true) return [];
    const origin = at(origins, index);
    const made = {
      name: op.output,
      bytes: bytesOfMade(op.type, scale(origin)),
      late: results.has(op.output),
    };
    const spatial = index < forward && isSpatial(op.type) && ops[op.kind].meets !== true;
    // A piece that is cut out of a value goes with it.
    const isOwn = op.output === at(model.ops, origin).output;
    const numbered = (names: readonly string[]) => [...new Set(names)].map((name) => numberOf(numbers, name));
    const { plain, bytes } = ways(op);
    const noting = amounts.noting?.get(valueOfBytes(op.output) ?? '');
    const step = {
      reads: numbered(plain),
      ...(bytes === undefined
        ? {}
        : { lean: { bytes: numberOf(numbers, bytes), reads: numbered(op.inputs) } }),
      makes: add({
        ...made,
        ...(noting === undefined ? {} : { noting }),
        bytes: amounts.bytes.get(op.output) ?? made.bytes,
        ...(gradients.has(op.output) ? { gradientBytes: bytesOf(op.type, 1) } : {}),
        ...(spatial && isOwn ? { price: at(amounts.forward, origin) } : {}),
        follows: index < forward && ops[op.kind].cropsItself === true,
      }),
      origin,
    };
    return [step];
  });
  const ahead = alive.slice(0, forward).filter((one) => one).length;
  return { values, steps, forward: ahead, sessions: true };
}

/** With the ops that note bytes, as far as that is done or may be. */
function programOf({ profile, noting, noted = [] }: Amounts): Program {
  const { lean } = profile;
  const { graph, origins, forward = graph.ops.length } = lean;
  const names = new Set([...(noting?.keys() ?? []), ...noted]);
  const isThere = graph.ops.map(({ output }) => {
    const value = valueOfBytes(output);
    return value === undefined || names.has(value);
  });
  const kept = <T>(list: readonly T[]): T[] => list.filter((_, index) => isThere[index] === true);
  return {
    ...lean,
    graph: { ...graph, ops: kept(graph.ops) },
    origins: kept(origins),
    forward: isThere.slice(0, forward).filter((one) => one).length,
  };
}

/** What an op reads, and the bytes that its operands are instead where these are noted; they are not asked for in vain. */
function readingWays({ profile, noting, noted = [] }: Amounts) {
  const plain = new Map(profile.program.graph.ops.map(({ output, inputs }) => [output, inputs]));
  const always = new Set(noted);
  return ({ output, inputs }: Op): { readonly plain: readonly string[]; readonly bytes?: string } => {
    const bytes = inputs.find((name) => valueOfBytes(name) !== undefined);
    const value = valueOfBytes(bytes ?? '') ?? '';
    if (bytes === undefined || always.has(value)) return { plain: inputs };
    const reads = { plain: plain.get(output) ?? inputs };
    return noting?.has(value) === true ? { ...reads, bytes } : reads;
  };
}

const gradientNames = (model: Model): string[] => trainedParameters(model).map((name) => `${name}~grad`);

/** Which ops some result is made from. */
function liveOps(all: readonly Op[], results: ReadonlySet<string>): boolean[] {
  const wanted = new Set(results);
  return all
    .toReversed()
    .map(({ output, inputs }) => {
      if (!wanted.has(output)) return false;
      for (const name of inputs) wanted.add(name);
      return true;
    })
    .reverse();
}

const numberOf = (numbers: ReadonlyMap<string, number>, name: string): number => {
  const number = numbers.get(name);
  if (number === undefined) throw new Error(`no value ${name}`);
  return number;
};

/** Parameters and counts are there in any case. */
function inputBytes({ bytes }: Amounts, input: Input | undefined, type: ValueType): number {
  if (input === undefined || type.kind !== 'map') return 0;
  return bytes.get(input.name) ?? bytesOf(type, 1);
}

/** Gradients of parameters, losses and counts are arrays, and there in any case. */
const bytesOfMade = (type: ValueType, scale: (type: ValueType) => number): number =>
  type.kind === 'map' ? bytesOf(type, 1) * scale(type) : 0;

const extentKey = (type: ValueType): string =>
  type.kind === 'map' ? type.box.map(({ from, to }) => to - from).join('x') : '';

/**
 * How many times the bytes of one untiled sample the device has of a map that is no value of the model: cotangents
 * and pieces are as large as the value of the same extents that their op reads or makes.
 */
function scaleOf({ profile, bytes }: Amounts): (origin: number) => (type: ValueType) => number {
  const { model, program } = profile;
  const types = typesOf(program.graph);
  const ratio = (name: string): number => {
    const type = types.get(name);
    return type === undefined ? 1 : (bytes.get(name) ?? 0) / bytesOf(type, 1);
  };
  const samples = ratio([...bytes.keys()][0] ?? '');
  return (origin) => {
    const { output, inputs } = at(model.ops, origin);
    const known = [output, ...inputs].filter((name) => bytes.has(name) && types.has(name));
    return (type) => {
      if (!isSpatial(type)) return samples;
      const like = known.find((name) => extentKey(types.get(name) as ValueType) === extentKey(type));
      return ratio(like ?? known[0] ?? '');
    };
  };
}
