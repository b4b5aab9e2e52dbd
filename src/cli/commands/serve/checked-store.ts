/** Opens a store of objects for a check, and examines what is published in it. */
import { formatBytes } from '../../../base/byte-text.ts';
import { CairnError } from '../../../base/errors.ts';
import { printable } from '../../../base/safe-path.ts';
import { holdStore, type HeldStore } from '../../../server/core/nodes/hold-store.ts';
import type { Finding } from '../../../server/core/check/findings.ts';
import { refuseUnfinished } from '../../../storage/copy/copy-mark.ts';
import { isEmptyStore } from '../../../storage/copy/copy-objects.ts';
import type { ContentStore } from '../../../storage/content-store.ts';
import type { StoreIncident } from '../../../storage/incident.ts';
import { examineContent } from '../../../storage/object-content/examine-content.ts';
import { createObjectContent } from '../../../storage/object-content/object-content.ts';
import type { ObjectStore } from '../../../storage/objects/object-store.ts';
import { createDocumentSessions } from '../../../storage/state/document-sessions.ts';
import { createObjectState } from '../../../storage/state/objects/object-state.ts';
import { openStore } from '../../access/shared-store.ts';
import { formatCount } from '../../report/wording.ts';
import type { CheckedStores, PublishedFindings } from './checked-stores.ts';
import type { StoreSettings } from './serve-settings.ts';

/** Condemns what nothing needs, and then frees it. */
const COLLECTIONS = 2;

/** Opens it. @throws CairnError `state-locked` while servers use it; `config-invalid`; as `openStore` */
export async function openCheckedStore(
  { store }: Pick<StoreSettings, 'store'>,
  isDryRun: boolean,
): Promise<CheckedStores> {
  const { objects, shown } = await openStore(store);
  const state = createObjectState(objects);
  const held = await holdStore({ state, shown });
  try {
    await refuseUnfinished(state, shown);
    await refuseUnservedStore(objects, shown);
    const incidents: StoreIncident[] = [];
    const onIncident = (incident: StoreIncident): void => void incidents.push(incident);
    const [beganAtMs, offsetMs] = [performance.now(), await state.now()];
    // Nobody reads the store now: nothing has to stay for an hour.
    const content = createObjectContent(objects, { keepUnusedMs: 0 });
    const sessions = createDocumentSessions(state, onIncident, isDryRun ? 'report' : 'thorough');
    return {
      content,
      sessions: { ...sessions, list: () => whileHeld(sessions.list(), held) },
      incidents,
      now: () => offsetMs + performance.now() - beganAtMs,
      examinePublished: async (told) => {
        const onProgress = (entries: number): void => {
          held.signal.throwIfAborted();
          told.onProgress(entries);
        };
        const exam = await examineContent(objects, findingsOf({ ...told, onProgress }));
        held.signal.throwIfAborted();
        if (exam.unusedObjects > 0) {
          const { unusedObjects: count, unusedBytes: bytes } = exam;
          if (!isDryRun) for (let n = 0; n < COLLECTIONS; n += 1) await collect(content, held);
          told.find(unused(count, bytes));
        }
        return exam;
      },
      close: () => held.release(),
    };
  } catch (error) {
    await held.release();
    throw error;
  }
}

/** Nothing is changed once servers may use the store again. */
async function* whileHeld<T>(items: AsyncIterable<T>, { signal }: HeldStore): AsyncGenerator<T> {
  for await (const item of items) {
    signal.throwIfAborted();
    yield item;
  }
  signal.throwIfAborted();
}

async function collect(content: Pick<ContentStore, 'collect'>, { signal }: HeldStore): Promise<void> {
  await content.collect?.(() => signal.aborted);
  signal.throwIfAborted();
}

/** A wrong prefix would look like a store in which everything is right. */
async function refuseUnservedStore(objects: ObjectStore, shown: string): Promise<void> {
  if (!(await isEmptyStore(objects))) return;
  const message = `there is nothing of a server in "${printable(shown)}"; give the same --store as to the servers`;
  throw new CairnError('config-invalid', message);
}

function findingsOf({ find, onProgress }: PublishedFindings): Parameters<typeof examineContent>[1] {
  const none = { session: undefined, target: undefined, remedy: '' };
  return {
    lostFile: (target, why) => {
      const remedy = 'left as it is; push the file again';
      find({
        ...none,
        kind: 'content-missing',
        outcome: 'untouched',
        target,
        problem: `bytes of "/${target}" are lost: ${why}`,
        remedy,
      });
    },
    lostPage: (target, entries, { message }) => {
      const problem = `${formatCount(entries)} entries from "/${target}" on cannot be read: ${message}`;
      const remedy = 'left as it is; restore the object, or push the entries again';
      find({ ...none, kind: 'page-damaged', outcome: 'untouched', target, problem, remedy });
    },
    strayObject: (key) => {
      const problem = `the object "${key}" is none of this version of cairn`;
      find({ ...none, kind: 'object-stray', outcome: 'note', problem, remedy: 'left as it is' });
    },
    progress: onProgress,
  };
}

function unused(count: number, bytes: number): Finding {
  const problem = `${formatCount(count)} objects (${formatBytes(bytes)}) are needed by nothing`;
  return {
    session: undefined,
    target: undefined,
    kind: 'objects-unused',
    outcome: 'repaired',
    problem,
    remedy: 'freed',
  };
}
