/** At which addresses a process listens, on Linux. */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

/** Of TCP, as `/proc/net/tcp` names what listens. */
const LISTEN = '0A';

/** IPv4 addresses as people write them, IPv6 addresses as 32 hexadecimal digits. */
export function listeningAddresses(pid: number): string[] {
  const own = new Set(readdirSync(`/proc/${pid}/fd`).flatMap((name) => linkOf(`/proc/${pid}/fd/${name}`)));
  const lines = ['tcp', 'tcp6'].flatMap((name) =>
    readFileSync(`/proc/${pid}/net/${name}`, 'utf8').split('\n'),
  );
  return lines.flatMap((line) => {
    const [, local = '', , state, , , , , , inode] = line.trim().split(/\s+/);
    return state === LISTEN && own.has(`socket:[${inode}]`) ? [written(local.split(':')[0] ?? '')] : [];
  });
}

function linkOf(path: string): string[] {
  try {
    return [readlinkSync(path)];
  } catch {
    // Closed since.
    return [];
  }
}

/** Linux writes the four bytes backwards. */
function written(digits: string): string {
  if (digits.length !== 8) return digits;
  return [6, 4, 2, 0].map((at) => Number.parseInt(digits.slice(at, at + 2), 16)).join('.');
}
