/** Diagnostics about decisions: schedules that cannot be carried out, plans that are not sound. */
import type { Entry } from './entry.ts';

export const planDiagnostics = {
  'window-too-large': {
    message: '`{op}` needs a window of {window} cells, and its input has {sizes}',
    hint: 'use a larger image, fewer poolings, or padding',
    explain:
      'The window (kernel) is larger than the image it slides over, padding included, so it gives no cell.',
    example: 'image |> conv(16, 3, pad = 0)   // image is 2 x 2',
  },
  'pad-too-wide': {
    message: '`max_pool` pads {pad} cells a side, and its window has {window}',
    hint: 'pad fewer cells than the window has',
    explain: 'A window that lies wholly in the padding holds no cell, so it has no largest one.',
    example: 'image |> max_pool(2, pad = (5, 5))',
  },
  'channels-differ': {
    message: '`{op}` needs {expected} channels, and its input has {channels}',
    explain: 'The operand does not have the number of channels that the op works on.',
    example: 'add(a, b)   // a has 16 channels, b has 32',
  },
  'crop-too-large': {
    message: '`crop` cuts {sides} off an input of {sizes} cells, and nothing is left',
    explain: 'More cells are cut off than there are.',
    example: 'image |> crop(8)   // image is 12 x 12',
  },
  'undefined-value': {
    message: '{place} uses `{value}`, which nothing before it gives',
    explain: 'Each value of a graph is an input or the result of an earlier op.',
    example: 'y = relu(x) {} : …   // no x above',
  },
  'defined-twice': {
    message: '{place} defines `{value}` a second time',
    explain: 'A value of a graph, or a buffer of a role, has one definition.',
    example: 'y = relu(x) {} : …   // y is defined above already',
  },
  'wrong-type': {
    message: '{place}: `{value}` is {found}, its operands give {expected}',
    explain:
      'The type that a text states for a value is not the one that follows from the op and its operands.',
    example: 'y = relu(x) {} : f32 map 3 [0..8, 0..8]   // x has 4 channels',
  },
  'wrong-region': {
    message: '{place}: `{value}` is held on {found}, and {expected} is needed',
    explain:
      'A role reads a part of a value that it does not hold, or pads where there is image: the plan would compute something else than the plain network.',
    example: 'a margin that is one row too small',
  },
  'not-alive': {
    message: '{place} uses buffer `{buffer}`, which {why}',
    explain: 'A buffer is used before it is written, or after it is freed.',
    example: 'free (image#0), then run … reads (image#0)',
  },
  'never-freed': {
    message: '{place}: buffer `{buffer}` is still alive at the end of the step',
    explain: 'Only weights and the state of the optimizer live from step to step; anything else would leak.',
    example: 'an instruction list without its last free',
  },
  'wrong-buffer': {
    message: '{place}: buffer `{buffer}` has {found}, and {expected} is needed',
    explain: 'A buffer does not fit what is written into it, or its stated life or size is not its real one.',
    example: 'a segment that gives 16 channels into a buffer of 8',
  },
  'buffers-overlap': {
    message: '{place}: buffers `{a}` and `{b}` are alive together and share bytes of the arena',
    explain: 'Two buffers at the same place would overwrite each other.',
    example: 'offsets 0 and 64 for two buffers of 128 bytes',
  },
  'not-reduced': {
    message: '{place}: `{buffer}` {why}',
    hint: 'each share is summed over all devices exactly once, after its last part and before its first use',
    explain:
      'Gradients, losses and denominators are shares of each device. What is used before it is summed, or summed twice, is not that of the plain network.',
    example: 'an update without an all_reduce before it',
  },
  'wrong-step': {
    message: '{place}: {why}',
    explain:
      'Every sample of a step is loaded from where the model says, worked through once, and summed once; otherwise the step is another than that of the plain network.',
    example: 'a step that runs micro-batch 0 twice and micro-batch 1 never',
  },
  'wrong-exchange': {
    message: '{place}: {why}',
    hint: 'each cell that is fetched is given by the device that owns it, and its share goes back there',
    explain:
      'Devices give each other margins. A cell that comes from elsewhere, twice or never makes the result another than that of the plain network.',
    example: 'an exchange that fetches row 8 from the device that owns rows 9 to 17',
  },
  'wrong-meeting': {
    message: '{place}: {why}',
    hint: 'each message has one sender and one receiver, and all devices of a group meet in the same order',
    explain:
      'A message without its other end, or meetings in different orders, would make devices wait for each other for ever.',
    example: 'a receive from stage 0, where stage 0 has no such send',
  },
  'wrong-strips': {
    message: '{place}: {why}',
    explain:
      'Strips go back through every row of what leaves them once. Each gives one share of every cotangent and gradient, and each share is added once before the sum is read.',
    example: 'a paste of strip 2 that is missing',
  },
  'wrong-sweep': {
    message: '{place}: {why}',
    explain:
      'Where one device works through tiles, or micro-batches, one after another, and a loss divides sums over all of them, they go forward once in a sweep ahead of all else. Each adds its part to the sums once, the devices add up theirs, and only then the sums are read. Nothing else of the sweep is used.',
    example: 'a tile whose part of the sums is added twice',
  },
  'wrong-grid': {
    message: '{place}: {why}',
    explain: 'The device grid does not cover the image once, or a rank has no role.',
    example: 'axis cuts [0, 128] for an image of 256 rows',
  },
  'wrong-schedule': {
    message: '{why}',
    explain: 'A decision of the schedule contradicts the model or another decision.',
    example: 'replicas 3 with a batch of 4',
  },
  'does-not-fit': {
    message:
      'no schedule for {devices} fits {memory} a device: the smallest found needs {needed}, {missing} too much',
    hint: 'the largest part is {binding}; more devices, a smaller batch, or more memory a device (`--memory`) would help',
    explain:
      'The default tries more micro-batches, then more tiles. Even the smallest part of the work is larger than the memory of a device.',
    example: 'unetc compile classic.unet --memory 64MiB',
  },
  'text-unexpected': {
    message: 'expected {expected}, found `{found}`',
    explain: 'The text of a schedule, a model or a plan has something else here than its grammar allows.',
    example: 'schedule s\n  replicas two',
  },
  'tile-owns-nothing': {
    message: 'tile {tile} of axis {axis} (cuts {cuts}) owns no cell of `{value}`',
    hint: 'use fewer tiles, or cuts that lie further apart',
    explain:
      'Each tile computes its own part of every loss and prediction. Where the cuts lie closer together than the cells of a coarse value, a tile has no part of it.',
    example: 'tiles 300 x 1 of a 256 x 256 image',
  },
  'samples-apart': {
    message:
      '`{value}` joins {over} consecutive samples, and the schedule works on {samples} of the batch of {batch} at a time',
    hint: 'samples / (replicas x micro-batches) must be a multiple of {over}: use fewer replicas or micro-batches (`--pin replicas=1 --pin micro_batches=1`), a larger batch; or `batch_norm(group = n)` with a smaller n, `dice(over = sample)`',
    explain:
      'A batch norm takes its statistics over the whole batch of a step, or over groups of consecutive samples; a loss may join samples too. Work that is cut inside such a group would compute something else than the plain network, so it is refused. Only statistics over the whole batch may be gathered from several replicas, and only sums over it, of `dice(over = batch)`, from micro-batches that come one after another without pipeline stages.',
    example: 'batch_norm, batch = 4, and --pin micro_batches=2   // write: batch_norm(group = 2)',
  },
  'norm-over-tiles': {
    message:
      '`{value}` needs the statistics of the whole sample, and one device works through the {tiles} tiles of a sample one after another',
    hint: 'give each tile a device of its own (`--devices`), more memory (`--memory`), or predict with running statistics (`batch_norm`)',
    explain:
      'A norm takes mean and variance over the whole extent of a sample. Devices that each have a tile gather them; one device that streams tiles has not seen the later ones when it normalizes the first.',
    example: 'unetc compile torchgpipe.unet --pin stream=2x2',
  },
} as const satisfies Record<string, Entry>;
