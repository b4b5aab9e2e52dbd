/** Addresses of the network as options have them: where a server listens, and lists of networks. */
import { isIPv6 } from 'node:net';
import type { AddressRange } from '../../base/address-range.ts';
import { usage } from './usage.ts';

/** A host and a port, both as `net.Server.listen` takes them; port 0 lets the system choose. */
export interface ListenAddress {
  readonly host: string;
  readonly port: number;
}

const ADDRESS = /^(?:(?:\[([^\]]*)\]|([^:[\]\s]*)):)?(\d{1,5})$/;

/**
 * Parses `HOST:PORT`, `[::1]:PORT`, and `:PORT` or `PORT` on the loopback interface: to listen on every interface has to be
 * asked for.
 *
 * @throws CairnError `usage`
 */
export function parseListenAddress(option: string, text: string): ListenAddress {
  const [, bracketed, bare, digits] = ADDRESS.exec(text) ?? [];
  const port = digits === undefined ? Number.NaN : Number(digits);
  const isAddress = bracketed === undefined || isIPv6(bracketed);
  if (Number.isNaN(port) || port > 65_535 || !isAddress) {
    const example = `${option} 127.0.0.1:7070 (or [::1]:7070, :7070)`;
    throw usage(`${option} takes HOST:PORT, not "${text}"`, example);
  }
  return { host: bracketed ?? (bare || '127.0.0.1'), port };
}

/** Parses lists of networks, `10.0.0.0/8,fd00::/8,192.0.2.1`. @throws CairnError `usage` */
export async function parseAddressRanges(
  option: string,
  words: readonly string[],
): Promise<readonly AddressRange[]> {
  const { parseAddressRange } = await import('../../base/address-range.ts');
  const example = `${option} 127.0.0.1 ${option} 10.0.0.0/8`;
  return words
    .flatMap((word) => word.split(','))
    .map((text) => {
      const range = parseAddressRange(text.trim());
      if (range === undefined)
        throw usage(`${option} takes an address or a network like 10.0.0.0/8, not "${text}"`, example);
      if (range.bits === 0) throw usage(`${option} ${text} would believe every client`, example);
      return range;
    });
}
