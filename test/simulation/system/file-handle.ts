/** What `open` of `node:fs/promises` gives: each method is a call to the system that takes a while. */
import { systemError } from '../disk/system-error.ts';
import type { SimulatedProcess } from './process.ts';

/** How much longer a sync takes than another call. */
const SYNC_SLOWNESS = 8;

/** The methods of Node's `FileHandle` that cairn uses. */
export class SimulatedFileHandle {
  readonly fd: number;
  readonly #process: SimulatedProcess;
  readonly #underWay = new Set<Promise<unknown>>();
  #closing: Promise<void> | undefined;
  #position = 0;

  constructor(process: SimulatedProcess, fd: number) {
    this.#process = process;
    this.fd = fd;
  }

  writev(buffers: readonly Uint8Array[], position: number): Promise<{ bytesWritten: number }> {
    return this.#call((fd) => ({
      bytesWritten: this.#process.files.write(
        fd,
        buffers.length === 1 ? buffers[0]! : Buffer.concat(buffers),
        position,
      ),
    }));
  }

  read(
    buffer: Uint8Array,
    offset: number,
    length: number,
    position: number | null = null,
  ): Promise<{ bytesRead: number; buffer: Uint8Array }> {
    const at = position ?? this.#position;
    return this.#call((fd) => {
      const bytesRead = this.#process.files.read(fd, buffer.subarray(offset, offset + length), at);
      if (position === null) this.#position += bytesRead;
      return { bytesRead, buffer };
    });
  }

  readFile(): Promise<Buffer> {
    return this.#call((fd) => this.#process.files.readWhole(fd));
  }

  truncate(size = 0): Promise<void> {
    return this.#call((fd) => this.#process.files.truncate(fd, size));
  }

  chmod(mode: number): Promise<void> {
    return this.#process.quickCall(() => this.#process.files.setMode(this.fd, mode));
  }

  datasync(): Promise<void> {
    return this.#call((fd) => this.#process.files.sync(fd, 'data'), SYNC_SLOWNESS);
  }

  sync(): Promise<void> {
    return this.#call((fd) => this.#process.files.sync(fd, 'all'), SYNC_SLOWNESS);
  }

  /** As Node does: closes when the calls under way have ended; calls that come later fail. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    while (this.#underWay.size > 0) await Promise.allSettled(this.#underWay);
    await this.#process.quickCall(() => this.#process.files.close(this.fd));
  }

  async #call<T>(work: (fd: number) => T, slowness = 1): Promise<T> {
    if (this.#closing !== undefined) throw systemError('EBADF', 'a call on a closed handle');
    const call = this.#process.call(() => work(this.fd), slowness);
    this.#underWay.add(call);
    try {
      return await call;
    } finally {
      this.#underWay.delete(call);
    }
  }
}
