/** Network addresses and ranges of them, as people write them. */
import { isIP } from 'node:net';
import ipaddr from 'ipaddr.js';

type Address = ipaddr.IPv4 | ipaddr.IPv6;

/** An address or a network; IPv4 in its IPv6 form is taken as IPv4. */
export interface AddressRange {
  readonly first: Address;
  /** How many leading bits count. */
  readonly bits: number;
}

const RANGE = /^([0-9a-f:.]+)(?:\/(\d{1,3}))?$/i;
/** Leading bits of IPv4 addresses in their IPv6 form, `::ffff:0:0/96`. */
const MAPPED_BITS = 96;

/** Parses `10.0.0.0/8`, `fd00::/8`, `192.0.2.1` or `::1`; undefined for anything else. */
export function parseAddressRange(text: string): AddressRange | undefined {
  const [, written = '', digits] = RANGE.exec(text) ?? [];
  const first = parseAddress(written);
  if (first === undefined) return undefined;
  const longest = first.kind() === 'ipv4' ? 32 : 128;
  if (digits === undefined) return { first, bits: longest };
  const isMapped = longest === 32 && isIP(written) === 6;
  const bits = Number(digits) - (isMapped ? MAPPED_BITS : 0);
  return bits >= 0 && bits <= longest ? { first, bits } : undefined;
}

/** An address in its one canonical form, without a zone; undefined for any other text. */
export function canonicalAddress(text: string): string | undefined {
  const [address = ''] = text.split('%', 1);
  return parseAddress(address)?.toString();
}

/** Whether a canonical address lies in one of some ranges. */
export function isInRanges(address: string, ranges: readonly AddressRange[]): boolean {
  const parsed = parseAddress(address);
  if (parsed === undefined) return false;
  return ranges.some(({ first, bits }) => first.kind() === parsed.kind() && parsed.match(first, bits));
}

/** ipaddr.js alone would also take octal, hexadecimal and shortened forms, which other programs read differently. */
function parseAddress(text: string): Address | undefined {
  return isIP(text) === 0 ? undefined : ipaddr.process(text);
}
