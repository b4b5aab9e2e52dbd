/**
 * The versions of one object. Its directory holds the bytes of a version under the version's name, and one empty file,
 * `at.VERSION`, which names the current version. A process replaces OLD by renaming `at.OLD` to `at.NEW`: of many that
 * try, the file system lets one succeed. docs/decisions/050-compare-and-set-in-a-directory.md says why this holds.
 */
import { randomBytes } from 'node:crypto';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { CairnError, storageError, systemCodeOf } from '../../../base/errors.ts';
import { printable } from '../../../base/safe-path.ts';

/** The fields of a version's name. */
export interface Version {
  /** Random; the same for all versions from one creation of the object to its removal. */
  readonly life: string;
  /** 1 for the first version of a life, and one more for each version after it. */
  readonly sequence: number;
  /** Random, so that no two versions ever have the same name. */
  readonly nonce: string;
  readonly modifiedAtMs: number;
  readonly sizeBytes: number;
}

const NAME = /^([0-9a-f]{24})-([0-9a-z]{1,11})-([0-9a-f]{24})-([0-9a-z]{1,11})-([0-9a-z]{1,11})$/;
const POINTER = 'at.';
/** Tries, when a directory is read while its pointer gets another name. */
const MAX_LOOKS = 200;
const LOOK_AGAIN_MS = 5;

/** 24 random hex digits, which no other process draws. */
export function drawNonce(): string {
  return randomBytes(12).toString('hex');
}

/** The name of a version, which is also its tag. */
export function versionName({ life, sequence, nonce, modifiedAtMs, sizeBytes }: Version): string {
  return [life, sequence.toString(36), nonce, modifiedAtMs.toString(36), sizeBytes.toString(36)].join('-');
}

/** The name of the file that marks a version as current. */
export function pointerName(version: Version): string {
  return POINTER + versionName(version);
}

/** The version of a name; undefined for any other text. */
export function parseVersion(name: string): Version | undefined {
  const [, life = '', sequence = '', nonce = '', time = '', size = ''] = NAME.exec(name) ?? [];
  if (life === '') return undefined;
  const [first, modifiedAtMs, sizeBytes] = [sequence, time, size].map((digits) =>
    Number.parseInt(digits, 36),
  );
  return { life, nonce, sequence: first ?? 0, modifiedAtMs: modifiedAtMs ?? 0, sizeBytes: sizeBytes ?? 0 };
}

/**
 * The current version in an object's directory; undefined where there is no object.
 *
 * @throws CairnError `storage-io` for a directory that another program changed; storage codes
 */
export async function currentVersion(directory: string): Promise<Version | undefined> {
  for (let look = 0; look < MAX_LOOKS; look += 1) {
    const names = await namesIn(directory);
    if (names.length === 0) return undefined;
    const pointers = names.filter((name) => name.startsWith(POINTER));
    const version =
      pointers.length === 1 ? parseVersion(pointers[0]?.slice(POINTER.length) ?? '') : undefined;
    if (version !== undefined) return version;
    await sleep(LOOK_AGAIN_MS);
  }
  throw new CairnError(
    'storage-io',
    `"${printable(directory)}" does not say which version of its object is there`,
  );
}

/** All names in the directory of an object; none where it does not exist. @throws CairnError storage codes */
export async function namesIn(directory: string): Promise<string[]> {
  try {
    return await readdir(directory);
  } catch (error) {
    if (systemCodeOf(error) === 'ENOENT') return [];
    throw storageError(error, `reading "${printable(directory)}"`);
  }
}

/** Whether a file in an object's directory is useless once `version` was current; never true of a later version. */
export function isOutdated(name: string, version: Version): boolean {
  const other = parseVersion(name);
  if (other === undefined || other.life !== version.life || other.nonce === version.nonce) return false;
  return other.sequence <= version.sequence;
}

/** The path of the bytes of a version. */
export function bytesPath(directory: string, version: Version): string {
  return join(directory, versionName(version));
}
