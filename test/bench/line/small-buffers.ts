/**
 * Small receive buffers. The kernel would take in megabytes of a connection that the line has not carried yet: a sender
 * would believe them sent, and every cut would lose them, as on no real line.
 */
import type { Server, Socket } from 'node:net';
import koffi from 'koffi';

const SOL_SOCKET = 1;
const SO_RCVBUF = 8;
/** The kernel doubles it: about what is on its way on the line, both directions of one round trip. */
const RECEIVE_BYTES = 64 * 1024;

const setsockopt = koffi
  .load(null)
  .func('int setsockopt(int fd, int level, int name, const int32_t *value, uint32_t size)');

/** Makes the receive buffer of a socket, or of all that a server will accept, small. */
export function makeReceiveBufferSmall(socket: Server | Socket): void {
  const { fd } = (socket as unknown as { _handle: { fd: number } })._handle;
  if (setsockopt(fd, SOL_SOCKET, SO_RCVBUF, [RECEIVE_BYTES], 4) !== 0) {
    throw new Error('the receive buffers of the line cannot be made small');
  }
}
