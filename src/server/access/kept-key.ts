/** Secret keys of a server, made when they are first needed; all servers over one state have the same. */
import { randomBytes } from 'node:crypto';
import * as v from 'valibot';
import type { StateStore } from '../../storage/state/state-store.ts';
import { openDocument, type DocumentKind, type TypedDocument } from '../../storage/state/typed-document.ts';

/** A secret key that never leaves the server. */
export interface KeptKey {
  /** The key; undefined where none was ever made. @throws CairnError `config-invalid`, storage codes */
  find(): Promise<Uint8Array | undefined>;
  /** The key, made where there is none. @throws CairnError `config-invalid`, storage codes */
  make(): Promise<Uint8Array>;
}

const KEY_BYTES = 32;

/** 32 random bytes in base64url, on a line. */
const kindOf = (key: string, withoutIt: string): DocumentKind<Uint8Array> => ({
  key,
  schema: v.pipe(
    v.string(),
    v.trim(),
    v.regex(/^[A-Za-z0-9_-]{43}$/),
    v.transform((text) => Buffer.from(text, 'base64url')),
  ),
  format: (bytes) => `${Buffer.from(bytes).toString('base64url')}\n`,
  unreadable: (where) => `"${where}" holds no key; put back a copy of the file, or remove it: ${withoutIt}`,
  isSecret: true,
});

/** The key that signs transfer grants: only servers that sign also check, so one secret does both (HS256). */
export function openGrantKey(state: StateStore): KeptKey {
  return openKey(state, kindOf('a/keys/grant', 'all transfer grants then end'));
}

/** The key for the ids of sessions, see `sessionIdOf`. */
export function openSessionKey(state: StateStore): KeptKey {
  return openKey(state, kindOf('a/keys/session', 'a new one is made'));
}

/** A key of a state, read at its first use. */
function openKey(state: StateStore, kind: DocumentKind<Uint8Array>): KeptKey {
  let opening: Promise<TypedDocument<Uint8Array>> | undefined;
  const open = (): Promise<TypedDocument<Uint8Array>> => {
    opening ??= openDocument(state, kind).catch((error: unknown) => {
      opening = undefined; // the next call tries again
      throw error;
    });
    return opening;
  };
  return {
    find: async () => {
      const document = await open();
      // Another server may have made it.
      if (document.value === undefined) await document.look();
      return document.value;
    },
    make: async () => {
      const document = await open();
      if (document.value === undefined) await document.change((now) => now ?? randomBytes(KEY_BYTES));
      return document.value!;
    },
  };
}
