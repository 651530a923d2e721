/** Whether two are the same data, whatever objects they are. */
export function isSameData(one: unknown, other: unknown): boolean {
  if (one === other) return true;
  if (typeof one !== 'object' || typeof other !== 'object' || one === null || other === null) return false;
  if (Array.isArray(one))
    return (
      Array.isArray(other) &&
      one.length === other.length &&
      one.every((item, i) => isSameData(item, other[i]))
    );
  const [mine, theirs] = [one, other] as readonly Readonly<Record<string, unknown>>[];
  if (mine === undefined || theirs === undefined || Array.isArray(other)) return false;
  const keys = Object.keys(mine);
  return (
    keys.length === Object.keys(theirs).length && keys.every((key) => isSameData(mine[key], theirs[key]))
  );
}
