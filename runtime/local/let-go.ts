/** Memory of arrays that nobody needs any more, given back to the system at once. */
import { MessageChannel } from 'node:worker_threads';

/**
 * What is transferred to a closed port belongs to nobody: it is freed before the call returns, in microseconds. The
 * collector would take milliseconds a time, and keeps what was made while it was marking: copies of results stayed
 * for several instructions. (`ArrayBuffer.prototype.transfer`, which could do the same, came after Node 20.)
 */
const nowhere = (() => {
  const { port1, port2 } = new MessageChannel();
  port1.close();
  port2.close();
  return port1;
})();

/** The array is empty afterwards, and so is every other that lies in the same memory. */
export function letGo({ buffer }: ArrayBufferView): void {
  if (buffer instanceof ArrayBuffer && buffer.byteLength > 0) nowhere.postMessage(undefined, [buffer]);
}
