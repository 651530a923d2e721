/** Every diagnostic of unetc, in one table: `unetc explain` prints it, the reference page is made of it. */
import { dataDiagnostics } from './data.ts';
import type { Entry } from './entry.ts';
import { languageDiagnostics } from './language.ts';
import { machineDiagnostics } from './machine.ts';
import { planDiagnostics } from './plan.ts';
import { runDiagnostics } from './run.ts';

const entries = {
  ...languageDiagnostics,
  ...planDiagnostics,
  ...machineDiagnostics,
  ...runDiagnostics,
  ...dataDiagnostics,
};

export type Code = keyof typeof entries;

export const table: Readonly<Record<Code, Entry>> = entries;

export const codes = Object.keys(entries).sort() as readonly Code[];
