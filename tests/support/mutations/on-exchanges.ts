/** Margins: which cells travel, from where, to whom, and home again. */
import { at, type Box, isEmpty } from '../../../ir/box.ts';
import type { Piece } from '../../../ir/ops/attributes.ts';
import type { Instruction, Plan } from '../../../ir/plan.ts';
import {
  atInstruction,
  everywhere,
  type InstructionOf,
  instead,
  isKind,
  type Mutation,
  moved,
  replaceAt,
} from './edit.ts';

type Exchange = InstructionOf<'exchange'>;
const isExchange = isKind('exchange');
const isForth = (one: Instruction): one is Exchange => one.do === 'exchange' && !one.back;
const isBack = (one: Instruction): one is Exchange => one.do === 'exchange' && one.back;

const shifted = (box: Box): Box => box.map(({ from, to }) => ({ from: from + 1, to: to + 1 }));

const grown = (box: Box): Box => replaceAt(box, 0, { from: at(box, 0).from - 1, to: at(box, 0).to });

const firstPiece = (
  one: Exchange,
  side: 'sends' | 'receives',
  change: (piece: Piece) => readonly Piece[],
): Exchange[] | undefined => {
  const [piece] = one[side];
  return piece && [{ ...one, [side]: [...change(piece), ...one[side].slice(1)] }];
};

/** All exchanges of all roles that fit, changed alike: both ends agree, and are wrong together. */
const all = (
  fits: (one: Instruction) => one is Exchange,
  change: (one: Exchange) => readonly Instruction[],
): Mutation =>
  everywhere((work) =>
    work.some((one) => fits(one) && one.sends.length + one.receives.length > 0)
      ? work.flatMap((one) => (fits(one) ? change(one) : [one]))
      : undefined,
  );

/** The value that an exchange fetches, and the buffer of it, by another name everywhere. */
const anotherValue = ({ model }: Plan, value: string): string | undefined =>
  model.ops.find(({ output, type }) => output !== value && type.kind === 'map')?.output;

export const onExchanges: Readonly<Record<string, Mutation>> = {
  'shift what is sent by a cell': instead(isExchange, (one) =>
    firstPiece(one, 'sends', (piece) => [{ ...piece, box: shifted(piece.box) }]),
  ),
  'shift what is received by a cell': instead(isExchange, (one) =>
    firstPiece(one, 'receives', (piece) => [{ ...piece, box: shifted(piece.box) }]),
  ),
  'shift both ends of all that travels': all(isExchange, (one) => [
    {
      ...one,
      sends: one.sends.map((piece) => ({ ...piece, box: shifted(piece.box) })),
      receives: one.receives.map((piece) => ({ ...piece, box: shifted(piece.box) })),
    },
  ]),
  'send a piece to nobody': instead(isExchange, (one) => firstPiece(one, 'receives', () => [])),
  'wait for a piece that nobody sends': instead(isExchange, (one) => firstPiece(one, 'sends', () => [])),
  'fetch no margin at all': all(isForth, (one) => [{ ...one, sends: [], receives: [] }]),
  'give home no share at all': all(isBack, (one) => [{ ...one, sends: [], receives: [] }]),
  'skip the way home': all(isBack, (one) =>
    one.from === undefined || one.into === undefined
      ? []
      : [{ do: 'paste', from: one.from, into: one.into, first: true }],
  ),
  'send a piece twice': instead(isExchange, (one) => firstPiece(one, 'sends', (piece) => [piece, piece])),
  'receive a piece twice': instead(isExchange, (one) =>
    firstPiece(one, 'receives', (piece) => [piece, piece]),
  ),
  'give to the neighbour on the other side': instead(isExchange, (one) =>
    firstPiece(one, 'sends', (piece) => [{ ...piece, offset: piece.offset.map((steps) => -steps) }]),
  ),
  'fetch from the neighbour on the other side': instead(isExchange, (one) =>
    firstPiece(one, 'receives', (piece) => [{ ...piece, offset: piece.offset.map((steps) => -steps) }]),
  ),
  'fetch from a device further away': instead(isExchange, (one) =>
    firstPiece(one, 'receives', (piece) => [{ ...piece, offset: piece.offset.map((steps) => 2 * steps) }]),
  ),
  'swap what is sent and what is received': instead(isExchange, (one) =>
    one.sends.length + one.receives.length === 0
      ? undefined
      : [{ ...one, sends: one.receives, receives: one.sends }],
  ),
  'keep cells beside the own ones': instead(isExchange, (one) =>
    one.keeps && !one.keeps.every(isEmpty) ? [{ ...one, keeps: shifted(one.keeps) }] : undefined,
  ),
  'keep what is fetched too': instead(isExchange, (one) =>
    one.keeps && one.receives.length > 0 ? [{ ...one, keeps: grown(one.keeps) }] : undefined,
  ),
  'keep nothing': instead(isExchange, ({ keeps, ...one }) => (keeps === undefined ? undefined : [one])),
  'exchange another value': instead(isExchange, (one, _role, plan) => {
    const value = anotherValue(plan, one.value);
    return value === undefined ? undefined : [{ ...one, value }];
  }),
  'exchange another value everywhere': (plan) => {
    const first = plan.roles.flatMap(({ instructions }) => instructions).find(isForth);
    const value = first && anotherValue(plan, first.value);
    if (first === undefined || value === undefined) return [];
    return all(
      (one): one is Exchange => isExchange(one) && one.value === first.value,
      (one) => [{ ...one, value }],
    )(plan);
  },
  'call the way out the way home': instead(isForth, (one) => [{ ...one, back: true }]),
  'call the way home the way out': instead(isBack, (one) => [{ ...one, back: false }]),
  'exchange twice': instead(isExchange, (one) => [one, one]),
  'exchange in another order on one device': atInstruction(isExchange, (one, index, work) => {
    const next = work.findIndex((other, i) => i > index && isExchange(other) && other.name !== one.name);
    return next < 0 ? undefined : moved(work, next, index);
  }),
};
