/** A parent whose device stands still in the middle of a step: `tsx lone-parent.ts FOLDER`. */
import { startDevices } from '../local/devices.ts';
import { tinyOptions, tinyTraining } from './tiny-plan.ts';
import { writeSegments } from './tiny-segments.ts';

const plan = tinyTraining({ cuts: [0, 2, 4] });
const { batch, extents } = tinyOptions;
const dims = [batch, 1, ...extents];
const cells = batch * extents[0] * extents[1];
const started = await startDevices({
  plan,
  segments: await writeSegments(plan, process.argv[2] ?? ''),
  threads: 1,
  feed: {
    kind: 'batch',
    inputs: {
      image: { dims, data: new Float32Array(cells) },
      land: { dims, data: new Uint8Array(cells) },
    },
  },
  hold: { rank: 1, step: 0, at: 'run' },
});
if (!started.ok) throw new Error(started.diagnostics.map(({ message }) => message).join('\n'));
const { value: devices } = started;
process.send?.(devices.processes);
await Promise.all([0, 1].map((rank) => devices.work(rank, { step: 0, tile: rank })));
