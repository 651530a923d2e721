/** What expressions are worth while a text is evaluated. All of it is gone when the Model stands. */
import { extents } from '../../ir/box.ts';
import type { Optimizer, Rate, Training } from '../../ir/model.ts';
import { showSizes } from '../../ir/ops/definition.ts';
import type { MapType } from '../../ir/type.ts';

/** How a tensor came about, as far as hints about sizes need it. */
export type Trace = {
  /** Cells of the input a step of one cell is; the largest over the axes. */
  readonly stride: number;
  /** The last window that did not fit evenly: it left cells of that size's axis out. */
  readonly dropped?: { readonly by: string; readonly size: number; readonly stride: number };
  /** A window without full padding has cut the border. */
  readonly cut: boolean;
};

export type Tensor = {
  readonly kind: 'tensor';
  readonly name: string;
  readonly type: MapType;
  readonly trace: Trace;
};

export type Target = {
  readonly kind: 'target';
  readonly name: string;
  readonly channels: number;
  readonly sizes: readonly number[];
  /** Present for class targets; without it the target is numbers to come near to. */
  readonly classes?: number;
};

/** A loss: terms, each a value of the network (none in a model to predict with) times a weight. */
export type LossTerm = { readonly value: string; readonly weight: number };

export type Value =
  | { readonly kind: 'number'; readonly value: number }
  | { readonly kind: 'boolean'; readonly value: boolean }
  | { readonly kind: 'word'; readonly word: Word }
  | { readonly kind: 'list'; readonly items: readonly Value[] }
  | { readonly kind: 'pair'; readonly low: Value; readonly high: Value }
  | Tensor
  | Target
  | { readonly kind: 'loss'; readonly terms: readonly LossTerm[] }
  | { readonly kind: 'rate'; readonly rate: Rate }
  | { readonly kind: 'optimizer'; readonly optimizer: Optimizer; readonly rate: Rate }
  | { readonly kind: 'training'; readonly training: Training }
  /** The value of what is wrong and has been reported: whatever is made of it is unknown too. */
  | { readonly kind: 'unknown' };

/** Names that stand for themselves, as values of arguments, and that no text can define otherwise. */
export const reservedWords = ['same', 'cell', 'channel', 'nearest', 'bilinear'] as const;

/** With those that a text may define: `let batch = 8` is too common to be refused. */
export const valueWords = [...reservedWords, 'sample', 'batch'] as const;

export type Word = (typeof valueWords)[number];

export const unknown: Value = { kind: 'unknown' };

export const number = (value: number): Value => ({ kind: 'number', value });

export const boolean = (value: boolean): Value => ({ kind: 'boolean', value });

/** `125 x 125` of a tensor. */
export const showTensorSizes = (tensor: Tensor): string => showSizes(extents(tensor.type.box));

/** What a value is, for a sentence. */
export function describeValue(value: Value): string {
  switch (value.kind) {
    case 'number':
    case 'boolean':
      return String(value.value);
    case 'word':
      return `\`${value.word}\``;
    case 'list':
      return value.items.length === 0 ? 'an empty list' : `a list of ${value.items.length}`;
    case 'tensor':
      return value.type.box.length === 0
        ? `a vector (${value.type.channels} channels without space)`
        : `a tensor (${value.type.channels} channels of ${showTensorSizes(value)})`;
    case 'target':
      return `the target \`${value.name}\``;
    case 'rate':
      return 'a rate curve';
    case 'optimizer':
      return 'an optimizer';
    case 'unknown':
      return 'an unknown value';
    default:
      return `a ${value.kind}`;
  }
}
