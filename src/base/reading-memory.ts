/** Sockets that read into the caller's memory, instead of memory that Node allocates for every read. */
import { Socket, type OnReadOpts, type SocketConstructorOpts } from 'node:net';
import type { Duplex } from 'node:stream';

/**
 * Another socket on the handle of `socket`, which reads with `onread`, an option that exists only when a socket is
 * made. The old socket emits nothing more, and closes with the new one. Undefined for any other stream: TLS has streams
 * of its own around the handle.
 */
export function readingInto(
  socket: Duplex,
  onread: OnReadOpts,
  { allowHalfOpen = false }: { readonly allowHalfOpen?: boolean } = {},
): Socket | undefined {
  const inner = socket as unknown as { _handle?: { useUserBuffer?: unknown } | null };
  const handle = inner._handle;
  if (Object.getPrototypeOf(socket) !== Socket.prototype || typeof handle?.useUserBuffer !== 'function')
    return undefined;
  inner._handle = null;
  const adopted = new Socket({ handle, onread, allowHalfOpen } as SocketConstructorOpts);
  adopted.once('close', () => socket.destroy());
  return adopted;
}
