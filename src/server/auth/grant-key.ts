/** The key that signs transfer grants: `grant-key` of the state directory, made when the first grant is issued. */
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { replaceFileDurably } from '../../base/durable-files.ts';
import { CairnError } from '../../base/errors.ts';
import { readIfThere } from '../../base/read-if-there.ts';
import { printable } from '../../base/safe-path.ts';

/** Only the server that signs also checks, so that one secret does both (HS256). */
export interface GrantKey {
  /** The key; undefined where no grant was ever issued. @throws CairnError `config-invalid`, storage codes */
  find(): Promise<Uint8Array | undefined>;
  /** The key, made where there is none. @throws CairnError `config-invalid`, storage codes */
  make(): Promise<Uint8Array>;
}

const KEY_BYTES = 32;
const TEXT = /^[A-Za-z0-9_-]{43}$/;

/** The key of a state directory, which exists. It is read once. */
export function openGrantKey(stateDirectory: string): GrantKey {
  const path = join(stateDirectory, 'grant-key');
  let known: Promise<Uint8Array | undefined> | undefined;
  let making: Promise<Uint8Array> | undefined;
  const find = (): Promise<Uint8Array | undefined> => {
    known ??= read(path).catch((error: unknown) => {
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

async function read(path: string): Promise<Uint8Array | undefined> {
  const text = (await readIfThere(path))?.toString('utf8').trim();
  if (text === undefined) return undefined;
  if (TEXT.test(text)) return Buffer.from(text, 'base64url');
  throw new CairnError(
    'config-invalid',
    `"${printable(path)}" holds no key; put back a copy of the file, or remove it: all transfer grants then end`,
  );
}
