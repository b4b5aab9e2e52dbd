/**
 * Bytes that sockets were given and the other side has not confirmed. The system takes megabytes of them at once, so that
 * on a slow line everything would look sent long before it is. Only Linux tells (proc(5), /proc/net/tcp).
 */
import { readFile } from 'node:fs/promises';
import type { Socket } from 'node:net';

/** Which connection a socket is: a channel reads through another socket on the same connection. */
export interface SocketEnds {
  readonly localPort: number | undefined;
  readonly remotePort: number | undefined;
  readonly remoteFamily: string | undefined;
}

/** The ends of a socket that is open. */
export function endsOf({ localPort, remotePort, remoteFamily }: Socket): SocketEnds {
  return { localPort, remotePort, remoteFamily };
}

/** Local port, remote port, and the bytes in the queue, all hexadecimal. */
const LINE = /^ *\d+: [0-9A-F]+:([0-9A-F]{4}) [0-9A-F]+:([0-9A-F]{4}) [0-9A-F]{2} ([0-9A-F]{8}):/gm;

/** The sum for these connections; undefined where the system does not tell. */
export async function unconfirmedBytes(connections: Iterable<SocketEnds>): Promise<number | undefined> {
  const wanted = { IPv4: new Set<string>(), IPv6: new Set<string>() };
  for (const { localPort, remotePort, remoteFamily } of connections) {
    if (localPort === undefined || remotePort === undefined) continue;
    wanted[remoteFamily === 'IPv6' ? 'IPv6' : 'IPv4'].add(`${hex(localPort)} ${hex(remotePort)}`);
  }
  const sums = await Promise.all([
    queuedIn('/proc/net/tcp', wanted.IPv4),
    queuedIn('/proc/net/tcp6', wanted.IPv6),
  ]);
  return sums.reduce<number | undefined>(
    (sum, each) => (sum === undefined || each === undefined ? undefined : sum + each),
    0,
  );
}

async function queuedIn(file: string, wanted: ReadonlySet<string>): Promise<number | undefined> {
  if (wanted.size === 0) return 0;
  let text: string;
  try {
    text = await readFile(file, 'latin1');
  } catch {
    // Another system, or a container without it: then it cannot be known.
    return undefined;
  }
  let bytes = 0;
  for (const [, local, remote, queued = ''] of text.matchAll(LINE))
    if (wanted.has(`${local} ${remote}`)) bytes += Number.parseInt(queued, 16);
  return bytes;
}

function hex(port: number): string {
  return port.toString(16).toUpperCase().padStart(4, '0');
}
