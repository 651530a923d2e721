/** What messages between the stages of a pipeline take: a search asks for many between the same stages. */
import { type Link, linkBetween, type Machine, messageSeconds } from '../../ir/machine.ts';
import type { StageQuestion } from './stage-space.ts';

/** Seconds of a message between two stages of so many places each, all of which send at once. */
export function stageMessages(machine: Machine, places: number): StageQuestion['messageSeconds'] {
  const links = new Map<number, Link | undefined>();
  const linkOf = (from: number, to: number): Link | undefined => {
    const key = from * mostStages + to;
    const known = links.get(key);
    if (known !== undefined) return known;
    const link = linkBetween(machine, from * places, to * places);
    links.set(key, link);
    return link;
  };
  return (from, to, bytes) => {
    const link = linkOf(from, to);
    if (link === undefined) return 0;
    const sharing = link.shared || link === machine.network ? Math.min(places, machine.devicesPerNode) : 1;
    return messageSeconds(link, bytes * sharing);
  };
}

/** More stages no pin asks for. */
const mostStages = 2 ** 20;
