/** Network addresses as limits count them. */
import ipaddr from 'ipaddr.js';

/** A network gives one customer at least a /64 of IPv6 addresses. */
const IPV6_PREFIX_BYTES = 8;

/** The key of an address and its neighbours: IPv4 (mapped into IPv6, too) as it is, IPv6 by its /64. */
export function addressKey(address: string): string {
  if (!ipaddr.isValid(address)) return address;
  const parsed = ipaddr.process(address);
  if (parsed.kind() === 'ipv4') return parsed.toString();
  return `${Buffer.from(parsed.toByteArray().slice(0, IPV6_PREFIX_BYTES)).toString('hex')}/64`;
}
