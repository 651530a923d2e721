/**
 * A function of an object that is worked out once for each: many ask the same of a plan, a graph or a model. They are data
 * that nobody changes.
 */
export function remembered<K extends object, V extends object | number>(make: (key: K) => V): (key: K) => V {
  const known = new WeakMap<K, V>();
  return (key) => {
    const found = known.get(key);
    if (found !== undefined) return found;
    const made = make(key);
    known.set(key, made);
    return made;
  };
}
