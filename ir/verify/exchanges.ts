/**
 * Margins: what is fetched is wanted, comes from the device that owns it, is sent there by a mirrored instruction,
 * and its shares go home the same way.
 */
import { at, type Box, intersect, isEmpty, sameBox, shiftBox, volume } from '../box.ts';
import { type Diagnostic, diagnose, fault } from '../diagnostics/diagnostic.ts';
import { isSpatial, modelTypes } from '../intervals.ts';
import type { Piece } from '../ops/attributes.ts';
import type { Instruction, Plan, Role } from '../plan.ts';
import { neighbour, roleIndexAt, type Seat, tileAt } from '../ranks.ts';
import { type Ownership, ownership } from '../tiling.ts';
import { placeOf } from './lives.ts';
import { type Meaning, meaningsOf } from './names.ts';
import { seatsOfRole } from './seats.ts';

type Exchange = Extract<Instruction, { do: 'exchange' }>;
type Site = { readonly role: Role; readonly index: number; readonly it: Exchange };

const wrong = ({ role, index }: Site, why: string): Diagnostic =>
  diagnose(fault('wrong-exchange', { place: placeOf(role, index), why }));

const sitesOf = (role: Role): Site[] =>
  role.instructions.flatMap((it, index) => (it.do === 'exchange' ? [{ role, index, it }] : []));

export function verifyExchanges(plan: Plan): Diagnostic[] {
  if (plan.roles.every((role) => sitesOf(role).length === 0)) return [];
  const owners = ownership(plan.model, plan.schedule.cuts);
  return plan.roles.flatMap((role) => {
    const meaning = meaningsOf(plan, role);
    return [
      ...sitesOf(role).flatMap((site) => {
        // Of what is no map of so many axes the cells cannot be compared.
        if (!hasCells(plan, site)) return [wrong(site, `\`${site.it.value}\` is no map with such cells`)];
        const seats = seatsOfRole(plan, role);
        return [
          ...boxFaults(meaning, site),
          ...seats.flatMap((seat) => peerFaults(plan, owners, site, seat)),
        ];
      }),
      ...returnFaults(role),
    ];
  });
}

/** Whether the value is a map of the model, and all that is said of its cells is of as many axes. */
function hasCells({ model }: Plan, site: Site): boolean {
  const { value, from, into, keeps, sends, receives } = site.it;
  const held = [from, into].flatMap((name) => bufferOf(site, name)?.box ?? []);
  const axes = [keeps, ...[...sends, ...receives].flatMap(({ offset, box }) => [offset, box])];
  return (
    isSpatial(modelTypes(model).get(value)) &&
    held.length % model.rank === 0 &&
    axes.every((one) => one === undefined || one.length === model.rank)
  );
}

const bufferOf = ({ role }: Site, name: string | undefined) =>
  role.buffers.find((buffer) => buffer.name === name);

const inside = (part: Box, whole: Box): boolean =>
  part.every((r, axis) => r.from >= at(whole, axis).from && r.to <= at(whole, axis).to);

const meet = (a: Box, b: Box): boolean => a.every((r, axis) => !isEmpty(intersect(r, at(b, axis))));

/** What is kept and sent is held; what is kept and fetched fills the target, each cell once on the way there. */
function boxFaults(meaning: Meaning, site: Site): Diagnostic[] {
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
  if (!back && source !== undefined && source.value !== value)
    faults.push(wrong(site, `\`${from}\` does not hold \`${value}\``));
  if (back && source !== undefined && meaning(source.value) !== undefined)
    faults.push(wrong(site, `\`${from}\` holds \`${source.value}\`, not shares of a cotangent`));
  if (back || into === undefined) return faults;
  const cells = taken.reduce((sum, box) => sum + volume(box), 0);
  const twice = taken.some((box, i) => taken.slice(i + 1).some((other) => meet(box, other)));
  if (cells !== volume(target) || twice)
    faults.push(wrong(site, `\`${into}\` is not filled once in every cell`));
  return faults;
}

/** Each piece has its other end: the same cells, in the exchange of that name of the neighbour, who owns what it gives. */
function peerFaults(plan: Plan, owners: Ownership, site: Site, seat: Seat): Diagnostic[] {
  const { it } = site;
  const global = (at_: Seat, box: Box): Box =>
    shiftBox(
      box,
      tileAt(plan, at_.place).map((index, axis) => owners.origin(it.value, axis, index)),
    );
  const check = (piece: Piece, other: 'sends' | 'receives'): Diagnostic[] => {
    const peer = neighbour(plan, seat, piece.offset);
    const role = peer && plan.roles[roleIndexAt(plan, peer)];
    if (peer === undefined || role === undefined)
      return [wrong(site, `there is no device at ${piece.offset.join(', ')}`)];
    const twins = sitesOf(role).filter(({ it: one }) => one.name === it.name && one.micro === it.micro);
    const cells = global(seat, piece.box);
    const back = piece.offset.map((steps) => 0 - steps);
    const ends = twins.flatMap(({ it: one }) =>
      one[other].filter(
        ({ offset, box }) => offset.join() === back.join() && sameBox(global(peer, box), cells),
      ),
    );
    const count = (pieces: readonly Piece[]) =>
      pieces.filter(({ offset }) => offset.join() === back.join()).length;
    const mine = (other === 'sends' ? it.receives : it.sends).filter(
      ({ offset }) => offset.join() === piece.offset.join(),
    );
    const balanced = twins.length === 1 && count(at(twins, 0).it[other]) === mine.length;
    return twins.length === 1 && ends.length === 1 && balanced
      ? []
      : [wrong(site, `${role.name} has no other end for the cells ${show(piece.box)}`)];
  };
  const owned = it.receives.flatMap((piece) => {
    if (it.back) return [];
    const peer = neighbour(plan, seat, piece.offset);
    const tile = peer && tileAt(plan, peer.place);
    const home = tile?.map((index, axis) => owners.owned(it.value, axis, index));
    return home !== undefined && inside(global(seat, piece.box), home)
      ? []
      : [wrong(site, `cells ${show(piece.box)} are fetched from a device that does not own them`)];
  });
  return [
    ...it.sends.flatMap((piece) => check(piece, 'receives')),
    ...it.receives.flatMap((piece) => check(piece, 'sends')),
    ...owned,
  ];
}

const show = (box: Box): string => `[${box.map(({ from, to }) => `${from}..${to}`).join(', ')}]`;

/** Shares go back once, after the margins came, the same pieces the other way. */
function returnFaults(role: Role): Diagnostic[] {
  const all = sitesOf(role);
  return all
    .filter(({ it }) => it.back)
    .flatMap((site) => {
      const { it } = site;
      const out = all.filter(
        ({ it: one }) => !one.back && one.micro === it.micro && it.name.startsWith(`${one.name}~`),
      );
      const forth = out.find(
        ({ it: one, index }) =>
          index < site.index &&
          JSON.stringify([one.sends, one.receives, one.keeps]) ===
            JSON.stringify([it.receives, it.sends, it.keeps]),
      );
      return out.length === 1 && forth !== undefined && mirrors(role, forth.it, it)
        ? []
        : [wrong(site, 'the shares do not go the way the margins came')];
    });
}

/** The way back is of the same value, from the cells that were made to those that were read. */
function mirrors(role: Role, forth: Exchange, back: Exchange): boolean {
  const held = (name: string | undefined) => {
    const { box, dims } = role.buffers.find((buffer) => buffer.name === name) ?? {};
    return JSON.stringify([box, dims]);
  };
  return (
    forth.value === back.value &&
    held(forth.into) === held(back.from) &&
    // Who had no cells gets no shares, whatever it makes of that.
    (forth.from === undefined || held(forth.from) === held(back.into))
  );
}

/** By name and micro-batch: whether an exchange of a role has its way back, for whoever counts them. */
export const returned = (role: Role): ReadonlySet<string> =>
  new Set(
    sitesOf(role)
      .filter(({ it }) => it.back)
      .map(({ it }) => `${it.name.replace(/~back\d+$/, '')} #${it.micro}`),
  );
