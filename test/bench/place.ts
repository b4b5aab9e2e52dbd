/** Where a bench puts its files: in memory, or on a disk. */
import { spawnSync } from 'node:child_process';
import { linkSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statfsSync, statSync } from 'node:fs';
import path from 'node:path';

/** A folder of one file system, which is removed when the bench ends. */
export interface Place {
  readonly folder: string;
  /** Whether it is on a disk, where contestants are asked to make durable what they receive. */
  readonly isDisk: boolean;
  /** What is free, in bytes. */
  freeBytes(): number;
  /** How many more files it can hold; Infinity where the file system sets no limit. */
  freeFiles(): number;
  /** Waits until the disk has nothing left to do of what came before. */
  settle(): void;
}

/** Makes a new folder below `parent`. */
export function openPlace(parent: string, isDisk: boolean): Place {
  const folder = mkdtempSync(path.join(parent, 'cairn-bench-'));
  process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
  return {
    folder,
    isDisk,
    freeBytes: () => {
      const { bavail, bsize } = statfsSync(folder);
      return bavail * bsize;
    },
    freeFiles: () => {
      const { files, ffree } = statfsSync(folder);
      return files === 0 ? Infinity : ffree;
    },
    settle: () => void (isDisk && spawnSync('sync', ['-f', folder])),
  };
}

/** Makes `source` appear at `target`, too, without a copy: files by hard links, trees folder by folder. */
export function linkTree(source: string, target: string): void {
  if (!statSync(source).isDirectory()) {
    mkdirSync(path.dirname(target), { recursive: true });
    linkSync(source, target);
    return;
  }
  mkdirSync(target, { recursive: true });
  for (const name of readdirSync(source)) linkTree(path.join(source, name), path.join(target, name));
}
