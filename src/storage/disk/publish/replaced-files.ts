/**
 * Files that are about to be replaced. The last close of a replaced file frees its blocks, which takes long for a large one
 * (measured: 0.1 to 0.4 s a GiB): held open, it is freed in the thread pool, and neither the rename nor an answer waits.
 */
import { close, closeSync } from 'node:fs';

/** Smaller files are freed at once. */
const FROM_BYTES = 16 * 1024 * 1024;
/** Most files that are held at a time, since each takes a descriptor. */
const MAX_HELD = 16;

/** The files of one publication. */
export interface ReplacedFiles {
  /** Takes over an open file of so many bytes. */
  hold(fd: number, sizeBytes: number): void;
  /** Lets all of them go; nothing was written to them, so that no close can lose anything. */
  letGo(): void;
}

/** Holds none yet. */
export function createReplacedFiles(): ReplacedFiles {
  const held: number[] = [];
  return {
    hold: (fd, sizeBytes) => {
      if (sizeBytes >= FROM_BYTES && held.length < MAX_HELD) held.push(fd);
      else closeSync(fd);
    },
    letGo: () => {
      for (const fd of held.splice(0)) close(fd, () => undefined);
    },
  };
}
