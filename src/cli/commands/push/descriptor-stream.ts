/** What comes out of an open descriptor: standard input, or what a path like `/dev/fd/63` stands for. */
import { createReadStream, fstatSync } from 'node:fs';
import { Socket } from 'node:net';
import type { Readable } from 'node:stream';
import { isatty, ReadStream } from 'node:tty';
import { CairnError, storageError } from '../../../base/errors.ts';
import { kindOf, type FileKind } from '../../../base/file-stat.ts';
import { isClosedDescriptor } from '../../process/output.ts';

/** Standard input. */
export const STDIN = 0 as const;

/**
 * Reads a descriptor to its end. `process.stdin` is not used: for a descriptor of a kind that Node does not know it is an
 * empty stream, which would be pushed as such.
 *
 * @param name how the descriptor is called in messages
 * @throws CairnError `source-unreadable` where it is closed, and, while it is read, where reading fails;
 * `source-unsupported` for a directory, and anything else without bytes to read
 */
export function readDescriptor(fd: number, name: string): AsyncIterable<Uint8Array> {
  const kind = descriptorKind(fd, name);
  if (kind === 'directory')
    throw new CairnError('source-unsupported', `${name} is a directory; name it instead of "-"`);
  try {
    const stream = openStream(fd, kind);
    // It may fail before it is read; its reader gets the error all the same.
    stream.on('error', () => undefined);
    return readAll(stream, name);
  } catch (error) {
    throw new CairnError(
      'source-unsupported',
      `${name} cannot be read: it is not a kind of file that has bytes`,
      {
        cause: error,
      },
    );
  }
}

function descriptorKind(fd: number, name: string): FileKind {
  const closed = (cause?: unknown): CairnError =>
    new CairnError('source-unreadable', `${name} is closed: there is nothing to read`, { cause });
  try {
    const { mode } = fstatSync(fd, { bigint: true });
    if (fd === STDIN && isClosedDescriptor(fd)) throw closed();
    return kindOf({ mode });
  } catch (error) {
    if (error instanceof CairnError) throw error;
    throw closed(error);
  }
}

/** What may stay silent for long is waited for without a thread, which would keep the process from ending. */
function openStream(fd: number, kind: FileKind): Readable {
  if (isatty(fd)) return new ReadStream(fd);
  if (kind === 'FIFO' || kind === 'socket') return new Socket({ fd, readable: true, writable: false });
  return createReadStream('', { fd, autoClose: false });
}

async function* readAll(stream: Readable, name: string): AsyncGenerator<Uint8Array> {
  try {
    for await (const piece of stream) yield piece as Uint8Array;
  } catch (error) {
    const { message } = storageError(error, `reading ${name}`);
    throw new CairnError('source-unreadable', `${message}; nothing was published`, { cause: error });
  }
}
