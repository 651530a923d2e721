/** What the simulator finds: when each device does what, what it holds, and what that adds up to. */

/** What the time of a device goes to. `idle`: nothing to do before the step ends, or waiting for another stage. */
export const activities = [
  'sweep',
  'forward',
  'backward',
  'step',
  'recompute',
  'strip',
  'update',
  'other',
  'load',
  'exchange',
  'gather',
  'all_reduce',
  'send',
  'idle',
] as const;

export type Activity = (typeof activities)[number];

/** What a device does side by side. On this machine's processes everything is on the first. */
export const lanes = ['compute', 'messages', 'sums'] as const;

export type Lane = (typeof lanes)[number];

export type SimulatedEvent = {
  /** Index of the instruction in the role. */
  readonly instruction: number;
  /** Seconds from the beginning of the step. */
  readonly from: number;
  readonly to: number;
  /** Seconds the lane stood still before it. */
  readonly waited: number;
  readonly lane: Lane;
  readonly activity: Activity;
  /** Index of the instruction of the role that brings what it stood still for. */
  readonly after?: number;
  /** Where devices meet. */
  readonly meeting?: {
    /** The same for all who meet. */
    readonly key: string;
    /** When the device came to it; a receive that was posted ahead begins when what it waits for is sent. */
    readonly came: number;
    /** Bytes that the device gives. */
    readonly bytes: number;
    /** Indices of the roles that it waits for. */
    readonly others: readonly number[];
    /** Index of the role that came last, if that was another. */
    readonly last?: number;
  };
};

export type SimulatedRole = {
  readonly role: string;
  /** Devices of the whole machine that have this role. */
  readonly devices: number;
  readonly events: readonly SimulatedEvent[];
  /** Bytes alive at each instruction, the workspace of a segment included. */
  readonly memory: readonly number[];
  readonly peakBytes: number;
  /** The instruction of the peak. */
  readonly peakAt: number;
  /** Seconds of the step by what they go to; they add up to the step. */
  readonly seconds: Readonly<Record<Activity, number>>;
};

/** Messages that a device takes part in each step, and the bytes that it gives. */
export type Traffic = { readonly messages: number; readonly bytes: number };

export type Simulation = {
  readonly stepSeconds: number;
  readonly roles: readonly SimulatedRole[];
  /** Share of all devices' time in which they compute. */
  readonly utilisation: number;
  /** Share in which they have nothing to do. */
  readonly bubble: number;
  /** Seconds for which the device that computes most waits for messages, and of those for all-reduces. */
  readonly exposedCommunication: number;
  readonly exposedAllReduce: number;
  /** Of the device that gives the most, by kind. */
  readonly communication: Readonly<Record<'exchange' | 'send' | 'gather' | 'all_reduce', Traffic>>;
  /** Floating-point operations of all devices. */
  readonly flops: number;
};

/** Seconds of a device's own work. */
export const workedSeconds = (seconds: Readonly<Record<Activity, number>>): number =>
  seconds.sweep +
  seconds.forward +
  seconds.backward +
  seconds.step +
  seconds.recompute +
  seconds.strip +
  seconds.update +
  seconds.other;
