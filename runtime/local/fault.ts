import type { Fault } from '../../ir/diagnostics/diagnostic.ts';

/**
 * How a device process tells its parent what stopped it. Inside a device everything waits for something
 * else, so a fault travels as a rejection up to the one place that reports it; nobody in between looks.
 */
export class DeviceFault extends Error {
  readonly fault: Fault;
  /** The device whose silence or end is the cause, where it is another one. */
  readonly peer: number | undefined;

  constructor(fault: Fault, peer?: number) {
    super(fault.code);
    this.fault = fault;
    this.peer = peer;
  }
}
