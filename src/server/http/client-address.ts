/** Finds the network address that a request came from, also through trusted reverse proxies. */
import type { IncomingMessage } from 'node:http';
import { canonicalAddress, isInRanges, type AddressRange } from '../../base/address-range.ts';

/** Returns the address that a request came from, in its canonical form. */
export type AddressReader = (request: IncomingMessage) => string;

/** Only the last hops of a longer list count: no request goes through more trusted proxies. */
const MAX_HOPS = 100;
/** An address with brackets, a zone and a port is shorter. */
const MAX_HOP_CHARACTERS = 128;

/**
 * Makes a reader that believes `X-Forwarded-For` and `Forwarded` (RFC 7239) only where they come from one of the
 * `trusted` addresses. Each proxy appends the address that it got the request from, so the rightmost address that is
 * not trusted itself is the client's; the client may have written everything left of it. A proxy that sets one of the
 * two headers may pass the client's own other one on: where both are there and disagree, neither counts.
 */
export function addressReader(trusted: readonly AddressRange[]): AddressReader {
  return ({ socket, headers }) => {
    const { remoteAddress = 'unknown' } = socket;
    const peer = canonicalAddress(remoteAddress) ?? remoteAddress;
    if (!isInRanges(peer, trusted)) return peer;
    const lists = [listOf(headers['x-forwarded-for']), forwardedOf(headers.forwarded)];
    const found = new Set(
      lists.filter((list) => list !== undefined).map((list) => clientOf(peer, list, trusted)),
    );
    const [only = peer] = found;
    return found.size > 1 ? peer : only;
  };
}

/** Goes from the nearest hop to the farthest one that a trusted proxy has named. */
function clientOf(peer: string, hops: readonly string[], trusted: readonly AddressRange[]): string {
  let client = peer;
  for (const hop of hops.toReversed()) {
    const address = addressIn(hop);
    // "unknown", an obfuscated name, or nonsense: the hop that sent it is the last known one.
    if (address === undefined) return client;
    client = address;
    if (!isInRanges(address, trusted)) return client;
  }
  return client;
}

function listOf(header: string | string[] | undefined): readonly string[] | undefined {
  if (header === undefined) return undefined;
  return last(String(header).split(','));
}

/** The `for` parameters of a Forwarded header. */
function forwardedOf(header: string | undefined): readonly string[] | undefined {
  if (header === undefined) return undefined;
  const elements = splitUnquoted(header, ',');
  // A quote without an end: the client's text may run into what the proxy has appended.
  if (elements === undefined) return [''];
  return last(elements).map(forIn);
}

/** The `for` parameter of one element; empty where it has none, or more than one. */
function forIn(element: string): string {
  const found: string[] = [];
  for (const pair of splitUnquoted(element, ';') ?? []) {
    const [name = '', ...rest] = pair.split('=');
    if (rest.length > 0 && name.trim().toLowerCase() === 'for') found.push(unquoted(rest.join('=').trim()));
  }
  return found.length === 1 ? found[0]! : '';
}

/**
 * Splits at separators outside of quoted strings (RFC 9110, section 5.6.4) and leaves out empty parts; undefined where
 * a quoted string has no end. One pass: a regular expression could backtrack over a stranger's text.
 */
function splitUnquoted(text: string, separator: string): string[] | undefined {
  const parts: string[] = [];
  let isQuoted = false;
  let from = 0;
  for (let at = 0; at < text.length; at++) {
    const character = text[at];
    if (character === '"') isQuoted = !isQuoted;
    else if (isQuoted && character === '\\') at += 1;
    else if (!isQuoted && character === separator) {
      parts.push(text.slice(from, at));
      from = at + 1;
    }
  }
  if (isQuoted) return undefined;
  parts.push(text.slice(from));
  return parts.filter((part) => part !== '');
}

function unquoted(value: string): string {
  const isQuoted = value.length >= 2 && value.startsWith('"') && value.endsWith('"');
  return isQuoted ? value.slice(1, -1).replaceAll(/\\(.)/g, '$1') : value;
}

function last(hops: readonly string[]): readonly string[] {
  return hops.slice(-MAX_HOPS);
}

/** Takes the address from `192.0.2.1`, `192.0.2.1:4711`, `2001:db8::1` and `[2001:db8::1]:4711`. */
function addressIn(hop: string): string | undefined {
  if (hop.length > MAX_HOP_CHARACTERS) return undefined;
  const text = hop.trim();
  const [, bracketed] = /^\[([^\]]*)\](?::\d{1,5})?$/.exec(text) ?? [];
  const [, withPort] = /^(\d+(?:\.\d+){3}):\d{1,5}$/.exec(text) ?? [];
  return canonicalAddress(bracketed ?? withPort ?? text);
}
