/** Which host names and addresses mean this machine. Pure. */
import { isIPv4 } from 'node:net';

/** Whether only processes of this machine reach `host`, a name or an address with or without brackets. */
export function isLoopbackHost(host: string): boolean {
  const name = host.replace(/^\[(.*)\]$/, '$1').toLowerCase();
  return name === 'localhost' || name === '::1' || (isIPv4(name) && name.startsWith('127.'));
}
