/** Writes in full to a file that is open by its number. */
import { write } from 'node:fs';
import { nothingWritten } from './durable-files.ts';

/** Writes all of `buffer` from byte `position` on, in the thread pool; answers its number of bytes. @throws system errors; CairnError `storage-io` */
export async function writeFullyAt(fd: number, buffer: Uint8Array, position: number): Promise<number> {
  let done = 0;
  while (done < buffer.byteLength) {
    const written = await writeOnce(fd, buffer.subarray(done), position + done);
    if (written === 0) throw nothingWritten(position + done);
    done += written;
  }
  return done;
}

function writeOnce(fd: number, buffer: Uint8Array, position: number): Promise<number> {
  return new Promise((done, fail) => {
    write(fd, buffer, 0, buffer.byteLength, position, (error, bytesWritten) => {
      if (error === null) done(bytesWritten);
      else fail(error);
    });
  });
}
