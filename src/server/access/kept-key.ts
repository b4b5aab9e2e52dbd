/** Keys of a server, each in a file of its state directory that only its owner may read, made when it is first needed. */
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { replaceFileDurably } from '../../base/durable-files.ts';
import { CairnError } from '../../base/errors.ts';
import { readIfThere } from '../../base/read-if-there.ts';
import { printable } from '../../base/safe-path.ts';

/** A secret key that never leaves the server. */
export interface KeptKey {
  /** The key; undefined where none was ever made. @throws CairnError `config-invalid`, storage codes */
  find(): Promise<Uint8Array | undefined>;
  /** The key, made where there is none. @throws CairnError `config-invalid`, storage codes */
  make(): Promise<Uint8Array>;
}

const KEY_BYTES = 32;
const TEXT = /^[A-Za-z0-9_-]{43}$/;

/** What signs transfer grants: only the server that signs also checks, so that one secret does both (HS256). */
export function openGrantKey(stateDirectory: string): KeptKey {
  return openKey(join(stateDirectory, 'grant-key'), 'all transfer grants then end');
}

/** What the ids of sessions are made with, see `sessionIdOf`. */
export function openSessionKey(stateDirectory: string): KeptKey {
  return openKey(join(stateDirectory, 'session-key'), 'a new one is made');
}

/** A key of a state directory, which exists. It is read once. */
function openKey(path: string, withoutIt: string): KeptKey {
  let known: Promise<Uint8Array | undefined> | undefined;
  let making: Promise<Uint8Array> | undefined;
  const find = (): Promise<Uint8Array | undefined> => {
    known ??= read(path, withoutIt).catch((error: unknown) => {
      known = undefined; // the next one who asks may have more luck
      throw error;
    });
    return known;
  };
  const makeOnce = async (): Promise<Uint8Array> => {
    const there = await find();
    if (there !== undefined) return there;
    const key = randomBytes(KEY_BYTES);
    await replaceFileDurably(path, `${key.toString('base64url')}\n`, 0o600);
    known = Promise.resolve(key);
    return key;
  };
  return { find, make: () => (making ??= makeOnce().finally(() => (making = undefined))) };
}

async function read(path: string, withoutIt: string): Promise<Uint8Array | undefined> {
  const text = (await readIfThere(path))?.toString('utf8').trim();
  if (text === undefined) return undefined;
  if (TEXT.test(text)) return Buffer.from(text, 'base64url');
  throw new CairnError(
    'config-invalid',
    `"${printable(path)}" holds no key; put back a copy of the file, or remove it: ${withoutIt}`,
  );
}
