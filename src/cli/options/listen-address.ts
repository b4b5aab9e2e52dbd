/** Where a server listens: `HOST:PORT`, `[::1]:PORT`, and `:PORT` or `PORT` on the loopback interface. */
import { isIPv6 } from 'node:net';
import { optionUsage } from './usage.ts';

/** A host and a port, both as `net.Server.listen` takes them; port 0 lets the system choose. */
export interface ListenAddress {
  readonly host: string;
  readonly port: number;
}

const ADDRESS = /^(?:(?:\[([^\]]*)\]|([^:[\]\s]*)):)?(\d{1,5})$/;

/**
 * Parses the value of `--listen`. Without a host it is 127.0.0.1, not every interface: that has to be asked for.
 *
 * @throws CairnError `usage`
 */
export function parseListenAddress(option: string, text: string): ListenAddress {
  const [, bracketed, bare, digits] = ADDRESS.exec(text) ?? [];
  const port = digits === undefined ? Number.NaN : Number(digits);
  const isAddress = bracketed === undefined || isIPv6(bracketed);
  if (Number.isNaN(port) || port > 65_535 || !isAddress) {
    throw optionUsage(
      option,
      `${option} takes HOST:PORT, not "${text}"`,
      `${option} 127.0.0.1:7070 (or [::1]:7070, :7070)`,
    );
  }
  return { host: bracketed ?? (bare || '127.0.0.1'), port };
}
