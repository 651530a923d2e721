/** Diagnostics about descriptions of machines. */
import type { Entry } from './entry.ts';

export const machineDiagnostics = {
  'unknown-machine': {
    message: 'there is no machine `{name}`',
    hint: 'those that come with unetc are {known}; others are given as a file: `--machine mine.machine`',
    explain:
      'A machine is named by a file, or is one of those whose descriptions come with unetc. `unetc calibrate -o mine.machine` describes the one it runs on.',
    example: 'unetc compile model.unet --machine sumit   // write: summit',
  },
  'machine-needed': {
    message: '{what} needs a machine to predict times on, and none is known',
    hint: 'name one: `--machine summit`, or what `unetc calibrate -o mine.machine` measured of this one',
    explain:
      'Without a machine a plan has no times: they follow from the speed of its devices and links. `unetc inspect BUNDLE --machine NAME` predicts how the plan would do there; `unetc compile MODEL --machine NAME` also chooses the schedule for it.',
    example: 'unetc inspect coastline.plan --trace trace.json',
  },
  'too-few-devices': {
    message: '{what} needs {devices} devices, and `{machine}` has {has}',
    hint: '{remedy}',
    explain:
      'A plan runs on devices of its own. More than the machine has cannot be asked for; fewer can, and where fewer are faster fewer are used.',
    example: 'unetc compile coastline.unet --machine p40 --devices 16   // p40 has 8',
  },
  'memory-beyond': {
    severity: 'warning',
    message: '`--memory {given}` is more than a device of `{machine}` has for a plan: {has}',
    hint: 'the plan is made for the {has}; the figure is in the description of the machine, `memory` less `reserve`',
    explain:
      'With a machine, `--memory` can only take some of it away: a plan that needs more than there is could not run there.',
    example: 'unetc compile coastline.unet --machine p40 --memory 100GiB',
  },
  'nothing-to-time': {
    message: '{what} shows a step of training, and `{plan}` is a plan to {purpose}',
    explain: 'Only steps of training are timed so far. The figures of memory are there for every plan.',
    example: 'unetc inspect --trace, with a plan that `predict` wrote',
  },
  'machine-word': {
    message: '{place} knows no `{word}`',
    hint: 'it has: {known}',
    explain: 'A description of a machine has its own words in each place, and this is none of them.',
    example: 'node 6 x v100 { memroy 16 GiB }',
  },
  'number-without-unit': {
    message: '`{word}` is {dimension}, and {number} has no unit',
    hint: 'units are {units}',
    explain:
      'A number without its unit could mean anything, so each figure of a machine that has a unit states it.',
    example: 'memory 16   // write: memory 16 GiB',
  },
  'wrong-unit': {
    message: '`{word}` is {dimension}, and has no unit `{unit}`',
    explain: 'Each figure has its own kind of unit. Letters count: `b` is no byte, `mb` no megabyte.',
    example: 'bandwidth 900 GB   // write: bandwidth 900 GB/s',
  },
  'figure-missing': {
    message: '{place} lacks `{word}`',
    explain: 'Costs cannot be counted without this figure. A guess is fine if it says so: `assumed`.',
    example: 'host { memory 512 GiB }   // and its link?',
  },
  'figure-twice': {
    message: '`{word}` stands twice for {place}',
    explain: 'A machine has one such figure. Which of the two would count is not clear.',
    example: 'nodes 2\n  nodes 4',
  },
  'figure-impossible': {
    message: '`{word}` {why}',
    explain: 'No machine has such a figure, and times counted with it would be nonsense.',
    example: 'bandwidth -1 GB/s',
  },
  'wrong-sockets': {
    message: 'the groups of `{word}` {why}',
    hint: 'devices of a node count from 0: `[0..2] [3..5]` for 6 of them',
    explain:
      'The devices of a node are divided into groups that are joined directly, and each belongs to exactly one. A link without groups joins all.',
    example: 'node 6 x v100 { ... }\n  link nvlink [0..2] [2..5] { ... }',
  },
} as const satisfies Record<string, Entry>;
