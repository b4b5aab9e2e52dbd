/** Datagrams to Unix sockets, by calls of the C library: Node's own Unix sockets are streams. */
import { closeSync } from 'node:fs';
import type koffi from 'koffi';
import type { LibraryHandle } from 'koffi';
import { nativeError } from './native-error.ts';

/**
 * Sends one datagram without waiting; EAGAIN where the receiver has no room now. Throws system errors.
 *
 * @param address an absolute path, or `@` and the name of an abstract socket; {@link isUnixAddress} accepts it
 */
export type SendDatagram = (address: string, bytes: Uint8Array) => void;

/** Linux uses the same numbers on every 64-bit machine that koffi supports. */
const AF_UNIX = 1;
const SOCK_DGRAM = 2;
const SOCK_CLOEXEC = 0o2000000;
const MSG_DONTWAIT = 0x40;
const MSG_NOSIGNAL = 0x4000;
/** `sun_path` of `struct sockaddr_un`, which follows two bytes of the family. */
const MAX_ADDRESS_BYTES = 108;
const FAMILY_BYTES = 2;

/** Whether text can be the address of a Unix socket. */
export function isUnixAddress(text: string): boolean {
  const lengthBytes = Buffer.byteLength(text);
  // A path ends with a zero byte; the name of an abstract socket has one in place of its `@`.
  if (text.startsWith('/')) return lengthBytes < MAX_ADDRESS_BYTES;
  return text.startsWith('@') && lengthBytes > 1 && lengthBytes <= MAX_ADDRESS_BYTES;
}

/** Binds socket and sendto. */
export function bindSendDatagram(module: typeof koffi, library: LibraryHandle): SendDatagram {
  const socket = library.func('int socket(int domain, int type, int protocol)');
  const sendto = library.func(
    'int64_t sendto(int fd, const void *bytes, size_t length, int flags, const void *address, uint32_t addressLength)',
  );
  const failed = (call: string): Error => nativeError(module.errno(), call);
  return (address, bytes) => {
    const name = socketAddress(address);
    const fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0) as number;
    if (fd < 0) throw failed('socket');
    try {
      const flags = MSG_DONTWAIT | MSG_NOSIGNAL;
      if (Number(sendto(fd, bytes, bytes.length, flags, name, name.length)) < 0) throw failed('sendto');
    } finally {
      closeSync(fd);
    }
  };
}

/** `struct sockaddr_un`, cut after the address: further bytes would belong to the name of an abstract socket. */
function socketAddress(address: string): Buffer {
  const isAbstract = address.startsWith('@');
  const path = Buffer.from(isAbstract ? `\0${address.slice(1)}` : `${address}\0`);
  const bytes = Buffer.alloc(FAMILY_BYTES + path.length);
  new Uint16Array(bytes.buffer, bytes.byteOffset, 1)[0] = AF_UNIX;
  path.copy(bytes, FAMILY_BYTES);
  return bytes;
}
