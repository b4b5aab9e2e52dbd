/**
 * A server proves to a client of the same user on the same machine that it is the one in that user's registry, before
 * the client sends a secret. The proof is valid for one challenge on one connection, so another process cannot relay
 * it.
 */
import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import type { Socket } from 'node:net';

/** One end of a connection, as the operating system names it. */
export interface SocketEnd {
  readonly address: string | undefined;
  readonly port: number | undefined;
}

const CHALLENGE = /^[A-Za-z0-9_-]{43}$/;
const SECRET_BYTES = 32;

/** Makes a key or a challenge: 256 random bits as base64url. */
export function newLocalSecret(): string {
  return randomBytes(SECRET_BYTES).toString('base64url');
}

/** Whether a text can be a challenge. */
export function isChallenge(text: unknown): text is string {
  return typeof text === 'string' && CHALLENGE.test(text);
}

/** The proof of a server that knows `key`: HMAC-SHA256 of the challenge and both ends of the connection, base64url. */
export function localProof(
  key: string,
  challenge: string,
  { client, server }: { readonly client: SocketEnd; readonly server: SocketEnd },
): string {
  const text = ['cairn-local-proof 1', challenge, named(server), named(client)].join('\n');
  return createHmac('sha256', Buffer.from(key, 'base64url')).update(text).digest('base64url');
}

/** Compares in constant time. */
export function isSameProof(a: string, b: string): boolean {
  const [left, right] = [Buffer.from(a), Buffer.from(b)];
  return left.byteLength === right.byteLength && timingSafeEqual(left, right);
}

/** Both ends of a socket. */
export function endsOf(socket: Socket): { here: SocketEnd; there: SocketEnd } {
  return {
    here: { address: socket.localAddress, port: socket.localPort },
    there: { address: socket.remoteAddress, port: socket.remotePort },
  };
}

/** Writes an address in one form: an IPv4 address in IPv6 form becomes plain IPv4. */
export function plainAddress(address: string): string {
  return address.toLowerCase().replace(/^::ffff:(?=\d+\.)/, '');
}

function named({ address = '', port = 0 }: SocketEnd): string {
  return `${plainAddress(address)} ${port}`;
}
