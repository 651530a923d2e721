import { at } from '../box.ts';
import type { Plan, Role } from '../plan.ts';
import type { Seat } from '../ranks.ts';

/**
 * Seats to check a role at. On one axis nothing depends on the others, so it is enough to walk each axis
 * with the others held at their first place of the class. Replicas are all alike.
 */
export function seatsOfRole(plan: Plan, role: Role): Seat[] {
  const onAxis = plan.axes.map(({ classes }, axis) =>
    classes.flatMap((kind, index) => (kind === at(role.classes, axis) ? [index] : [])),
  );
  const first = onAxis.map((indices) => at(indices, 0));
  const others = onAxis.flatMap((indices, axis) =>
    indices.slice(1).map((index) => first.map((place, other) => (other === axis ? index : place))),
  );
  return [first, ...others].map((place) => ({ replica: 0, stage: role.stage, place }));
}
