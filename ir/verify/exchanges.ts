/**
 * Margins: what is fetched is wanted, comes from the device that owns it, is sent there by a mirrored instruction,
 * and its shares go home the same way.
 */
import { at, type Box, intersect, isEmpty, volume } from '../box.ts';
import { type Diagnostic, diagnose, fault } from '../diagnostics/diagnostic.ts';
import { isSpatial, modelTypes } from '../intervals.ts';
import type { Piece } from '../ops/attributes.ts';
import type { Buffer, Instruction, Plan } from '../plan.ts';
import { outOfSweep } from '../sweeps.ts';
import type { ValueType } from '../type.ts';
import type { NamedRole } from './alike.ts';
import type { IndexedPlan, IndexedRole } from './indexed.ts';
import { placeOf } from './lives.ts';
import {
  type Kinds,
  type Neighbour,
  type Surrounding,
  type Surroundings,
  surroundingsIn,
} from './surroundings.ts';

type Exchange = Extract<Instruction, { do: 'exchange' }>;
type Site = {
  readonly one: IndexedRole;
  readonly index: number;
  readonly it: Exchange;
  /** That, and its micro-batch. */
  readonly name: string;
  /** Its pieces by their offset. */
  readonly sends: ReadonlyMap<string, readonly Piece[]>;
  readonly receives: ReadonlyMap<string, readonly Piece[]>;
};

function byOffset(pieces: readonly Piece[]): Map<string, readonly Piece[]> {
  const found = new Map<string, Piece[]>();
  for (const piece of pieces) {
    const key = piece.offset.join();
    const known = found.get(key);
    if (known === undefined) found.set(key, [piece]);
    else known.push(piece);
  }
  return found;
}

const wrong = ({ one, index }: Site, why: string): Diagnostic =>
  diagnose(fault('wrong-exchange', { place: placeOf(one.role, index), why }));

/** Micro-batches exchange the same pieces: those that were told apart are `known`. */
function sitesOf(one: IndexedRole): Site[] {
  const known = new Map<readonly Piece[], Site['sends']>();
  const apart = (pieces: readonly Piece[]): Site['sends'] => {
    const found = known.get(pieces) ?? byOffset(pieces);
    known.set(pieces, found);
    return found;
  };
  const sites: Site[] = [];
  for (const [index, it] of one.role.instructions.entries())
    if (it.do === 'exchange')
      sites.push({ one, index, it, name: nameOf(it), sends: apart(it.sends), receives: apart(it.receives) });
  return sites;
}

/** The exchanges of a role, all and by name and micro-batch. */
type Exchanging = {
  readonly one: IndexedRole;
  readonly sites: readonly Site[];
  readonly named: ReadonlyMap<string, readonly Site[]>;
};

const nameOf = ({ name, micro }: Pick<Exchange, 'name' | 'micro'>): string => `${name} #${micro}`;

function exchangingOf(one: IndexedRole): Exchanging {
  const sites = sitesOf(one);
  const named = new Map<string, Site[]>();
  for (const site of sites) {
    const known = named.get(site.name);
    if (known === undefined) named.set(site.name, [site]);
    else known.push(site);
  }
  return { one, sites, named };
}

type Context = {
  readonly plan: Plan;
  readonly types: ReadonlyMap<string, ValueType>;
  /** In the order of the roles. */
  readonly all: readonly Exchanging[];
  readonly surroundings: Surroundings;
};

export function verifyExchanges({ plan, roles }: IndexedPlan): Diagnostic[] {
  const all = roles.map(exchangingOf);
  if (all.every(({ sites }) => sites.length === 0)) return [];
  const types = modelTypes(plan.model);
  const context = { plan, all, types, surroundings: surroundingsIn(plan) };
  const stemsOf = stemsByName();
  return all.flatMap((here) => [...siteFaults(context, here.sites), ...returnFaults(here, stemsOf)]);
}

/** Micro-batches exchange the same: what was sound for one is not told again. */
function siteFaults(context: Context, sites: readonly Site[]): Diagnostic[] {
  const sound = new Map<Site['sends'], Sound>();
  return sites.flatMap((site) => {
    const before = sound.get(site.sends);
    if (before !== undefined && repeats(context, before, site)) return [];
    // Of what is no map of so many axes the cells cannot be compared.
    if (!hasCells(context, site)) return [wrong(site, `\`${site.it.value}\` is no map with such cells`)];
    const around = surroundingsOf(context, site);
    const faults = [...boxFaults(site), ...peersFaults(context, site, around)];
    if (faults.length === 0) sound.set(site.sends, { site, around });
    return faults;
  });
}

/** An exchange without a fault, and what its devices find around them. */
type Sound = { readonly site: Site; readonly around: Kinds };

/** Whether all that is asked of an exchange was asked of another: the same of the same data, here and at its neighbours. */
function repeats({ all }: Context, { site: before, around }: Sound, site: Site): boolean {
  const { it } = site;
  const holdsAlike = (some: string | undefined, others: string | undefined): boolean => {
    const [one, other] = [bufferOf(before, some), bufferOf(site, others)];
    return (
      (some === undefined) === (others === undefined) &&
      one?.value === other?.value &&
      one?.box === other?.box
    );
  };
  return (
    before.receives === site.receives &&
    before.it.keeps === it.keeps &&
    before.it.value === it.value &&
    before.it.back === it.back &&
    holdsAlike(before.it.from, it.from) &&
    holdsAlike(before.it.into, it.into) &&
    around.kinds.every((one) =>
      [...one.values()].every(({ role }) => endsAlike(all[role], before.name, site.name)),
    )
  );
}

/** Whether a role has one exchange of each of two names, with the same pieces. */
function endsAlike(role: Exchanging | undefined, one: string, other: string): boolean {
  const [some, others] = [role?.named.get(one) ?? [], role?.named.get(other) ?? []];
  const [first, second] = [some[0], others[0]];
  return (
    some.length === 1 &&
    others.length === 1 &&
    first?.sends === second?.sends &&
    first?.receives === second?.receives
  );
}

/** Whether the value is a map of the model, and all that is said of its cells is of as many axes. */
function hasCells({ plan: { model }, types }: Context, site: Site): boolean {
  const { value, from, into, keeps, sends, receives } = site.it;
  const held = [from, into].flatMap((name) => bufferOf(site, name)?.box ?? []);
  const axes = [keeps, ...[...sends, ...receives].flatMap(({ offset, box }) => [offset, box])];
  return (
    isSpatial(types.get(value)) &&
    held.length % model.rank === 0 &&
    axes.every((one) => one === undefined || one.length === model.rank)
  );
}

const bufferOf = ({ one }: Site, name: string | undefined): Buffer | undefined => one.buffers.get(name ?? '');

const inside = (part: Box, whole: Box): boolean =>
  part.every((r, axis) => r.from >= at(whole, axis).from && r.to <= at(whole, axis).to);

const meet = (a: Box, b: Box): boolean => a.every((r, axis) => !isEmpty(intersect(r, at(b, axis))));

/** What is kept and sent is held; what is kept and fetched fills the target, each cell once on the way there. */
function boxFaults(site: Site): Diagnostic[] {
  const { from, into, keeps, sends, receives, back, value } = site.it;
  const held = bufferOf(site, from)?.box ?? [];
  const target = bufferOf(site, into)?.box ?? [];
  const given = [...(keeps === undefined ? [] : [keeps]), ...sends.map(({ box }) => box)];
  const taken = [
    ...(keeps === undefined || into === undefined ? [] : [keeps]),
    ...receives.map(({ box }) => box),
  ];
  const faults: Diagnostic[] = [];
  if (given.length > 0 && (held.length === 0 || !given.every((box) => inside(box, held))))
    faults.push(wrong(site, `cells are given that \`${from}\` does not hold`));
  if (taken.length > 0 && (target.length === 0 || !taken.every((box) => inside(box, target))))
    faults.push(wrong(site, `cells come that \`${into}\` has no place for`));
  const [source] = [bufferOf(site, from)];
  if (!back && source !== undefined && outOfSweep(source.value) !== value)
    faults.push(wrong(site, `\`${from}\` does not hold \`${value}\``));
  if (back && source !== undefined && site.one.meaning(source.value) !== undefined)
    faults.push(wrong(site, `\`${from}\` holds \`${source.value}\`, not shares of a cotangent`));
  if (back || into === undefined) return faults;
  const cells = taken.reduce((sum, box) => sum + volume(box), 0);
  const twice = taken.some((box, i) => taken.slice(i + 1).some((other) => meet(box, other)));
  if (cells !== volume(target) || twice)
    faults.push(wrong(site, `\`${into}\` is not filled once in every cell`));
  return faults;
}

/** At every seat of its role. Seats that are surrounded alike have the same faults: these are told once. */
function peersFaults(context: Context, site: Site, { kinds, seats }: Kinds): Diagnostic[] {
  const faults = kinds.map((around) => peerFaults(context, site, around));
  return faults.every(({ length }) => length === 0) ? [] : seats.flatMap((kind) => at(faults, kind));
}

function surroundingsOf({ surroundings }: Context, { one, it, sends, receives }: Site): Kinds {
  const offsets = new Map<string, readonly number[]>();
  for (const pieces of [sends, receives])
    for (const [key, [first]] of pieces) if (first !== undefined) offsets.set(key, first.offset);
  return surroundings(one.role, it.value, offsets);
}

/** Each piece has its other end: the same cells, in the exchange of that name of the neighbour, who owns what it gives. */
function peerFaults({ all }: Context, site: Site, around: Surrounding): Diagnostic[] {
  const { it } = site;
  const check = (own: Direction, other: Direction): Diagnostic[] =>
    [...site[own]].flatMap(([key, mine]) => {
      const peer = around.get(key);
      const role = peer && all[peer.role];
      if (peer === undefined || role === undefined)
        return mine.map(({ offset }) => wrong(site, `there is no device at ${offset.join(', ')}`));
      const twins = role.named.get(site.name) ?? [];
      const back = at(mine, 0).offset.map((steps) => 0 - steps);
      const theirs = twins.flatMap((twin) => twin[other].get(back.join()) ?? []);
      const paired = twins.length === 1 && theirs.length === mine.length;
      return mine
        .filter(({ box }) => !paired || theirs.filter((end) => isAt(end.box, peer, box)).length !== 1)
        .map(({ box }) => wrong(site, `${role.one.role.name} has no other end for the cells ${show(box)}`));
    });
  const owned = (it.back ? [] : [...site.receives]).flatMap(([key, pieces]) => {
    const home = around.get(key)?.owned;
    return pieces
      .filter(({ box }) => home === undefined || !inside(box, home))
      .map(({ box }) => wrong(site, `cells ${show(box)} are fetched from a device that does not own them`));
  });
  return [...check('sends', 'receives'), ...check('receives', 'sends'), ...owned];
}

type Direction = 'sends' | 'receives';

/** Whether a box of a neighbour, counted from where that begins, is another. */
const isAt = (theirs: Box, { owned }: Neighbour, mine: Box): boolean =>
  theirs.length === mine.length &&
  theirs.every(({ from, to }, axis) => {
    const [other, shift] = [at(mine, axis), at(owned, axis).from];
    return from + shift === other.from && to + shift === other.to;
  });

const show = (box: Box): string => `[${box.map(({ from, to }) => `${from}..${to}`).join(', ')}]`;

/** Shares go back once, after the margins came, the same pieces the other way. */
function returnFaults(
  { one: role, sites, named }: Exchanging,
  stemsOf: (name: string) => readonly string[],
): Diagnostic[] {
  return sites
    .filter(({ it }) => it.back)
    .flatMap((site) => {
      const { it } = site;
      const out = stemsOf(it.name)
        .flatMap((name) => named.get(nameOf({ name, micro: it.micro })) ?? [])
        .filter(({ it: one }) => !one.back);
      const forth = out.find(
        ({ it: one, index }) =>
          index < site.index &&
          isSame(one.sends, it.receives) &&
          isSame(one.receives, it.sends) &&
          isSame(one.keeps, it.keeps),
      );
      return out.length === 1 && forth !== undefined && mirrors(role, forth.it, it)
        ? []
        : [wrong(site, 'the shares do not go the way the margins came')];
    });
}

const isSame = (some: object | undefined, others: object | undefined): boolean =>
  some === others || JSON.stringify(some) === JSON.stringify(others);

/** What stands before each `~` of a name; micro-batches and roles have the same names. */
function stemsByName(): (name: string) => readonly string[] {
  const known = new Map<string, readonly string[]>();
  return (name) => {
    const stems = known.get(name) ?? [...name.matchAll(/~/g)].map(({ index }) => name.slice(0, index));
    known.set(name, stems);
    return stems;
  };
}

/** The way back is of the same value, from the cells that were made to those that were read. */
function mirrors({ buffers }: IndexedRole, forth: Exchange, back: Exchange): boolean {
  const alike = (some: string | undefined, others: string | undefined): boolean => {
    const [one, other] = [buffers.get(some ?? ''), buffers.get(others ?? '')];
    return isSame(one?.box, other?.box) && isSame(one?.dims, other?.dims);
  };
  return (
    forth.value === back.value &&
    alike(forth.into, back.from) &&
    // Who had no cells gets no shares, whatever it makes of that.
    (forth.from === undefined || alike(forth.from, back.into))
  );
}

/** By name and micro-batch: whether an exchange of a role has its way back, for whoever counts them. */
export const returned = ({ role }: Pick<NamedRole, 'role'>): ReadonlySet<string> =>
  new Set(
    role.instructions.flatMap((it) =>
      it.do === 'exchange' && it.back ? [`${it.name.replace(/~back\d+$/, '')} #${it.micro}`] : [],
    ),
  );
