/** What can happen to a file, or to the directory that it is in, while it is the source of a transfer. */
import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import {
  appendFileSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';

/** Something that happens to a file. */
export interface Change {
  readonly name: string;
  /** Does it; answers the contents that the file had on the way, whole, the last one at the end. */
  readonly apply: (file: string) => Buffer[];
  /** Whether a transfer carries what is there afterwards. */
  readonly isCarried: boolean;
  /** What the next run has to ask for in words of its own. */
  readonly words?: readonly string[];
}

/** Writes other bytes, of the same size and with the time that the file had. */
function rewrite(file: string, bytes: Buffer): Buffer {
  const { mtimeNs } = statSync(file, { bigint: true });
  writeFileSync(file, bytes);
  // As whoever hides a change would; the ctime tells.
  spawnSync('touch', [
    '-d',
    `@${mtimeNs / 1_000_000_000n}.${String(mtimeNs % 1_000_000_000n).padStart(9, '0')}`,
    file,
  ]);
  return bytes;
}

/** Everything that can happen to a file itself. */
export const CHANGES: readonly Change[] = [
  change('grows', (file) => appendFileSync(file, randomBytes(5000))),
  change('shrinks', (file) => truncateSync(file, Math.floor(statSync(file).size / 3))),
  change('is emptied', (file) => truncateSync(file, 0)),
  change('is replaced', (file) => {
    writeFileSync(`${file}.new`, randomBytes(statSync(file).size));
    renameSync(`${file}.new`, file);
  }),
  change(
    'is rewritten with its size and time',
    (file) => void rewrite(file, randomBytes(statSync(file).size)),
  ),
  change('is changed in one byte with its size and time', (file) => {
    const bytes = readFileSync(file);
    bytes[bytes.length - 1]! ^= 1;
    rewrite(file, bytes);
  }),
  {
    name: 'changes and changes back',
    isCarried: true,
    apply: (file) => {
      const old = readFileSync(file);
      const other = rewrite(file, randomBytes(old.length));
      return [other, rewrite(file, old)];
    },
  },
  gone('is removed', (file) => rmSync(file)),
  gone('becomes a directory', (file) => {
    rmSync(file);
    mkdirSync(file);
  }),
  gone('becomes a symlink to other bytes', (file) => {
    const other = path.join(path.dirname(path.dirname(file)), 'elsewhere');
    writeFileSync(other, randomBytes(statSync(file).size));
    rmSync(file);
    symlinkSync(other, file);
  }),
  { ...gone('becomes a FIFO', makeFifo), isCarried: false },
  gone('has its directory replaced by a symlink', (file) => {
    const directory = path.dirname(file);
    renameSync(directory, `${directory}-moved`);
    symlinkSync(`${directory}-moved`, directory);
  }),
  {
    ...gone('has its directory replaced by a file', (file) => {
      const directory = path.dirname(file);
      rmSync(directory, { recursive: true });
      writeFileSync(directory, 'a file');
    }),
    // Where the target has the directory already, with files in it, it gives way only when that is asked.
    words: ['--force-replace'],
  },
  gone('has its directory removed', (file) => rmSync(path.dirname(file), { recursive: true })),
];

function makeFifo(file: string): void {
  rmSync(file);
  spawnSync('mkfifo', [file]);
}

function change(name: string, act: (file: string) => void): Change {
  return {
    name,
    isCarried: true,
    apply: (file) => {
      act(file);
      return [readFileSync(file)];
    },
  };
}

function gone(name: string, act: (file: string) => void): Change {
  return {
    name,
    isCarried: true,
    apply: (file) => {
      act(file);
      return [];
    },
  };
}
