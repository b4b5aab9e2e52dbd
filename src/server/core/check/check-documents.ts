/** Checks the documents of a session: are they all there, and can the session go on from them? */
import { CairnError, EXIT } from '../../../base/errors.ts';
import { MANIFEST_VERSION } from '../../../manifest/manifest.ts';
import type { SessionRecord } from '../../../session/record.ts';
import { DIGEST_LENGTH_BYTES } from '../../../manifest/digest.ts';
import { ChunkDigests } from '../../../checkpoint/chunk-digests.ts';
import type { DocumentName, StagingArea } from '../../../storage/content-store.ts';
import {
  loadDigests,
  loadIdentities,
  loadManifest,
  loadPlan,
  saveDigests,
} from '../sessions/session-documents.ts';
import { createPlan, type TransferPlan } from '../sessions/transfer-plan.ts';
import { find, type Check, type Fault } from './check.ts';

/** The fault of the documents, or the plan that follows from them; undefined before a plan is agreed. */
export type CheckedDocuments = { readonly fault: Fault } | { readonly plan: TransferPlan | undefined };

/** Checks the documents that a session in its state must have. @throws CairnError, storage codes */
export async function checkDocuments(
  check: Check,
  record: SessionRecord,
  area: StagingArea,
): Promise<CheckedDocuments> {
  const manifest = await load(area, 'manifest', () => loadManifest(area, check.limits.manifest));
  if ('fault' in manifest) return manifest;
  if (manifest.value.id !== record.pass.manifestId) {
    return faulty('manifest-foreign', 'its manifest is that of another transfer');
  }
  // The server saved a plan and crashed before it answered: nothing was agreed.
  if (record.state === 'establishing') return { plan: undefined };
  const plan = await load(area, 'plan', async () => {
    const agreed = await loadPlan(area, manifest.value);
    return agreed === undefined ? undefined : createPlan(manifest.value, agreed);
  });
  if ('fault' in plan) return plan;
  if (record.pass.direction === 'pull') {
    const fault = await checkSource(check, record, area, plan.value);
    if (fault !== undefined) return { fault };
  }
  return { plan: plan.value };
}

/** Checks what only a pull needs: the identities of its source's entries, and the digests of sent chunks. */
async function checkSource(
  check: Check,
  record: SessionRecord,
  area: StagingArea,
  { manifest, layout }: TransferPlan,
): Promise<Fault | undefined> {
  const identities = await load(area, 'identities', () => loadIdentities(area));
  if ('fault' in identities) return identities.fault;
  if (identities.value.length !== manifest.entries.length) {
    return faulty('identities-unreadable', 'the identities of its source are not those of its manifest')
      .fault;
  }
  const length = DIGEST_LENGTH_BYTES[record.pass.digest];
  if ((await area.load('digests')) === undefined) return undefined;
  const digests = await load(area, 'digests', () => loadDigests(area, length, layout.chunkCount));
  if (!('fault' in digests)) return undefined;
  if (!check.isDryRun) await saveDigests(area, new ChunkDigests(length));
  find(check, record, {
    kind: 'digests-unreadable',
    outcome: 'repaired',
    problem: digests.fault.problem,
    remedy: 'emptied; what was sent is read and hashed again',
  });
  return undefined;
}

/** A commit whose list of deletions is damaged deletes nothing, and needs no repair; parts are read with their plan. */
type CheckedDocument = Exclude<DocumentName, 'deletions' | 'parts'>;

const WHAT = {
  manifest: 'its manifest',
  plan: 'its plan',
  identities: 'the list of the identities of its source',
  digests: 'the list of the digests that it has sent',
} as const satisfies Record<CheckedDocument, string>;

/** The value of a document, or its fault. @throws CairnError, storage codes; errors that are bugs */
async function load<T>(
  area: StagingArea,
  name: CheckedDocument,
  read: () => Promise<T | undefined>,
): Promise<{ readonly value: T } | { readonly fault: Fault }> {
  const missing = (): { fault: Fault } =>
    name === 'digests'
      ? faulty('digests-unreadable', `${WHAT[name]} is gone`)
      : faulty(`${name}-missing`, `${WHAT[name]} is gone`);
  if ((await area.load(name)) === undefined) return missing();
  try {
    const value = await read();
    return value === undefined ? missing() : { value };
  } catch (error) {
    if (isNewer(error)) {
      return faulty('manifest-newer', `${WHAT[name]} was written by a newer cairn`, 'untouched');
    }
    if (!isDamage(error)) throw error;
    return faulty(`${name}-unreadable`, `${WHAT[name]} is damaged (${error.message})`);
  }
}

function faulty(
  kind: Fault['kind'],
  problem: string,
  outcome: Fault['outcome'] = 'lost',
): { readonly fault: Fault } {
  return { fault: { kind, problem, outcome } };
}

function isNewer(error: unknown): boolean {
  const version = error instanceof CairnError ? error.details['version'] : undefined;
  return typeof version === 'number' && version > MANIFEST_VERSION;
}

/** Whether a document has wrong bytes; an error of the storage says nothing about that. */
function isDamage(error: unknown): error is Error {
  if (error instanceof SyntaxError) return true;
  if (!(error instanceof CairnError)) return false;
  return error.traits.exitCode !== EXIT.storage && error.code !== 'server-busy' && error.code !== 'internal';
}
