/** `grants.json` of the state directory: which transfer grants were issued, by whom, and which are revoked. */
import { join } from 'node:path';
import * as v from 'valibot';
import { replaceFileDurably } from '../../base/durable-files.ts';
import { CairnError } from '../../base/errors.ts';
import { readIfThere } from '../../base/read-if-there.ts';
import { printable } from '../../base/safe-path.ts';
import { SCOPES } from '../../session/scopes.ts';

const count = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
const quota = v.object({ bytes: v.optional(count), sessions: v.optional(count) });
const Issued = v.object({
  id: v.string(),
  /** The principal that may list and revoke it. */
  owner: v.string(),
  direction: v.picklist(['push', 'pull']),
  path: v.string(),
  scopes: v.array(v.picklist(SCOPES)),
  createdAtMs: count,
  expiresAtMs: count,
  maxBytes: v.optional(count),
  issuer: v.object({ id: v.string(), quota: v.optional(quota) }),
  isRevoked: v.optional(v.boolean()),
});
const Format = v.object({ version: v.literal(1), grants: v.array(Issued) });

/** A grant that was issued, without its secret, which is a signature. */
export type IssuedGrant = v.InferOutput<typeof Issued>;

/** The grants of a server. What is changed is durable when it resolves; what was asked for holds at once. */
export interface GrantList {
  get(id: string): IssuedGrant | undefined;
  all(): IterableIterator<IssuedGrant>;
  put(grant: IssuedGrant): Promise<void>;
}

/** An expired grant is remembered for so long: a clock that is set back must not bring back a revoked one. */
const KEEP_EXPIRED_MS = 7 * 86_400_000;

/**
 * Opens the list of a state directory; one process at a time may do so.
 *
 * @throws CairnError `config-invalid` for a file that cannot be understood: it may have revoked something; storage codes
 */
export async function openGrantList(stateDirectory: string, now: () => number): Promise<GrantList> {
  const path = join(stateDirectory, 'grants.json');
  const grants = new Map((await load(path)).map((grant) => [grant.id, grant]));
  let last: Promise<unknown> = Promise.resolve();
  const save = (): Promise<void> => {
    for (const [id, { expiresAtMs }] of grants) if (expiresAtMs + KEEP_EXPIRED_MS < now()) grants.delete(id);
    return replaceFileDurably(path, JSON.stringify({ version: 1, grants: [...grants.values()] }), 0o600);
  };
  return {
    get: (id) => grants.get(id),
    all: () => grants.values(),
    put: (grant) => {
      grants.set(grant.id, grant);
      const saving = last.then(save);
      last = saving.catch(() => undefined); // told to whoever put it there
      return saving;
    },
  };
}

async function load(path: string): Promise<IssuedGrant[]> {
  const bytes = await readIfThere(path);
  if (bytes === undefined) return [];
  try {
    return v.parse(Format, JSON.parse(bytes.toString('utf8'))).grants;
  } catch (error) {
    const message = `the transfer grants in "${printable(path)}" cannot be understood; put back a copy of the file, or move it away together with "grant-key": all grants then end`;
    throw new CairnError('config-invalid', message, { cause: error });
  }
}
