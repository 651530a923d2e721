/** What a probe is told and answers: a device process that only measures. */
import type { OwnWork } from '../../ir/machine.ts';
import type { Segment } from '../../ir/plan.ts';

/** A segment to be run as a device does. */
export type Running = {
  readonly segment: Segment;
  /** Its ONNX file. */
  readonly file: Uint8Array;
  /** Whether its memory may be kept from run to run. */
  readonly keeping: boolean;
};

export type Trial = Running & {
  /** Seconds after which no further run begins. */
  readonly seconds: number;
  /** Whether caches hold other numbers before each run, as they do after the passes of a step. */
  readonly cold?: boolean;
};

/** In which devices meet: they exchange messages, or sum numbers. */
export type MeetingKind = 'trade' | 'sum';

/** Answered with numbers: seconds, or bytes. */
export type ProbeOrder =
  | {
      readonly do: 'open';
      readonly folder: string;
      readonly rank: number;
      readonly size: number;
      threads: number;
    }
  | { readonly do: 'connect' }
  /** Seconds of instructions that run the segment, one after another. */
  | { readonly do: 'time'; readonly trial: Trial }
  /** Seconds of each op of the segment inside a run, and how many nodes it is. */
  | { readonly do: 'kernels'; readonly trial: Trial }
  /** Seconds of a copy of so many bytes in memory. */
  | { readonly do: 'copy'; readonly bytes: number }
  /** Seconds of an instruction in which a device moves numbers itself, and their bytes as plans are charged for them. */
  | {
      readonly do: 'own';
      readonly work: OwnWork;
      readonly bytes: number;
      readonly seconds: number;
    }
  /**
   * The members, and no others, meet over so many bytes after each run of a segment, some rounds. Of each round first the
   * seconds of the run, then, of all of them, when they ended here, in seconds of a clock that all processes share.
   */
  | {
      readonly do: 'meet';
      readonly kind: MeetingKind;
      readonly members: readonly number[];
      readonly bytes: number;
      readonly rounds: number;
      readonly between: Running;
    }
  /** Bytes of the process before it has any work. */
  | { readonly do: 'resident' };

export type ProbeReport =
  | { readonly ok: true; readonly values: readonly number[] }
  | { readonly ok: false; readonly reason: string };
