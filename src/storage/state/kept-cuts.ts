/**
 * The recipes of large files, kept in a directory, so that a file which has not changed is not read again to be compared. They
 * may be lost at any time: then the file is cut once more. A recipe that is wrong costs bytes, and nothing else, since
 * each assembled file is proved.
 */
import { createHash } from 'node:crypto';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { makePrivateDirectory, replaceFileDurably } from '../../base/durable-files.ts';
import { removeTree } from '../../base/remove-tree.ts';
import { CairnError, systemCodeOf } from '../../base/errors.ts';
import { readIfThere } from '../../base/read-if-there.ts';
import { type Cuts, type CutSubject, decodeCuts, encodeCuts } from '../../manifest/kept-cuts-format.ts';

/** Smaller files are cut in less time than it takes to keep that. */
export const KEPT_FROM_BYTES = 16 * 1024 * 1024;
/** Most bytes and files of one directory: the recipes of some 400 GiB. */
const MOST = { bytes: 64 * 1024 * 1024, files: 4096 };

/** Keeps recipes. What it cannot keep or read is not there; only a bug makes it throw. */
export interface KeptCuts {
  find(subject: CutSubject): Promise<Cuts | undefined>;
  /** Removes the oldest others where there are too many. */
  keep(subject: CutSubject, cuts: Cuts): Promise<void>;
  forget(subject: CutSubject): Promise<void>;
  /** Forgets all of them. */
  clear(): Promise<void>;
}

/** The size and the age of one file. */
interface Kept {
  readonly bytes: number;
  readonly madeAtMs: number;
}

/** Keeps recipes in a directory, which it makes once there is something to keep. */
export function openKeptCuts(directory: string, most: typeof MOST = MOST): KeptCuts {
  let listed: Promise<Map<string, Kept>> | undefined;
  const pathOf = (name: string): string => join(directory, name);
  const shrink = async (files: Map<string, Kept>, last: string): Promise<void> => {
    let bytes = 0;
    for (const file of files.values()) bytes += file.bytes;
    const byAge = [...files].toSorted(([, a], [, b]) => a.madeAtMs - b.madeAtMs);
    for (const [name, file] of byAge) {
      if (bytes <= most.bytes && files.size <= most.files) return;
      if (name === last) continue;
      await removeTree(pathOf(name));
      files.delete(name);
      bytes -= file.bytes;
    }
  };
  return {
    find: (subject) =>
      orNothing(async () => {
        const bytes = await readIfThere(pathOf(fileNameOf(subject)));
        return bytes && decodeCuts(bytes, subject);
      }),
    keep: async (subject, cuts) => {
      if (subject.sizeBytes < KEPT_FROM_BYTES) return;
      await orNothing(async () => {
        await makePrivateDirectory(directory);
        const files = await (listed ??= list(directory));
        const [name, bytes] = [fileNameOf(subject), encodeCuts(subject, cuts)];
        await replaceFileDurably(pathOf(name), bytes);
        files.set(name, { bytes: bytes.byteLength, madeAtMs: Date.now() });
        await shrink(files, name);
      });
    },
    forget: async (subject) => {
      const name = fileNameOf(subject);
      await orNothing(async () => {
        await removeTree(pathOf(name));
        (await listed)?.delete(name);
      });
    },
    clear: async () => {
      listed = undefined;
      await orNothing(() => removeTree(directory));
    },
  };
}

function fileNameOf({ name, digest, sizeBytes }: CutSubject): string {
  return createHash('sha256').update(`${digest} ${sizeBytes} ${name}`).digest('hex');
}

async function list(directory: string): Promise<Map<string, Kept>> {
  const files = new Map<string, Kept>();
  for (const name of await readdir(directory)) {
    try {
      const { size, mtimeMs } = await stat(join(directory, name));
      files.set(name, { bytes: size, madeAtMs: mtimeMs });
    } catch (error) {
      // Another process has removed it.
      if (systemCodeOf(error) !== 'ENOENT') throw error;
    }
  }
  return files;
}

/** A disk that is full or damaged keeps nothing, and costs no transfer. */
async function orNothing<Result>(work: () => Promise<Result>): Promise<Result | undefined> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof CairnError || systemCodeOf(error) !== undefined) return undefined;
    throw error;
  }
}
