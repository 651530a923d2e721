/** Every built-in function, by name. The reference page of the language is made of this table. */
import type { Builtin } from './builtin.ts';
import { combinatorBuiltins } from './combinators.ts';
import { functionBuiltins } from './functions.ts';
import { cellBuiltins } from './layers/cells.ts';
import { joinBuiltins } from './layers/join.ts';
import { normBuiltins } from './layers/norms.ts';
import { vectorBuiltins } from './layers/vectors.ts';
import { windowBuiltins } from './layers/windows.ts';
import { lossBuiltins } from './losses.ts';
import { trainingBuiltins } from './training.ts';

export const builtins: ReadonlyMap<string, Builtin> = new Map<string, Builtin>([
  ...windowBuiltins,
  ...cellBuiltins,
  ...normBuiltins,
  ...joinBuiltins,
  ...vectorBuiltins,
  ...combinatorBuiltins,
  ...lossBuiltins,
  ...trainingBuiltins,
  ...functionBuiltins,
]);
