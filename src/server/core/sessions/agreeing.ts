/** Both sides agree on the plan, and the session opens: by a request for it, or together with the manifest. */
import { CairnError } from '../../../base/errors.ts';
import { ChunkSet } from '../../../checkpoint/chunk-set.ts';
import { mayCompare } from '../../../session/scopes.ts';
import { bringsBytes } from '../../../session/pass-record.ts';
import type { Authorization } from '../../../session/authorization.ts';
import { announcementOf } from '../quota/announcements.ts';
import { checkBytes, openUsage, type Usage } from '../quota/quota.ts';
import type { SessionWork } from './admission.ts';
import type { LiveSession } from './live-session.ts';
import type { PlanSets } from './plan-text.ts';
import { savePlan } from './session-documents.ts';
import type { StagingRoom } from './staging-room.ts';
import { assembledBytesOf, createPlan, linkBytesOf, samePlan, type TransferPlan } from './transfer-plan.ts';

/** The room and the quota that a plan reserves. */
interface Reserving {
  readonly room: StagingRoom;
  readonly usage: Usage;
}

/**
 * Agrees on a plan. The caller makes sure that nothing else works on the session.
 *
 * @throws CairnError `session-state` where another plan was agreed; `invalid-request`, `manifest-too-large`,
 * `quota-exceeded`, `forbidden`, storage codes
 */
export type Agree = (work: SessionWork, wanted: PlanSets | 'everything') => Promise<TransferPlan>;

/** Makes the function that agrees on the plans of one server. */
export function createAgree(reserving: Reserving): Agree {
  return (work, wanted) => agree(reserving, work, wanted);
}

/** What the server needs before it opens a session for a plan, besides to keep the plan. */
interface PlanNeeds {
  readonly linkBytes: number;
  takeRoom(): Promise<void>;
  openChunks(): Promise<unknown>;
}

const NO_NEEDS: PlanNeeds = { linkBytes: 0, takeRoom: async () => {}, openChunks: async () => {} };

/** The needs of a plan; none where the pass brings nothing. @throws CairnError `forbidden` */
async function needsOf(room: StagingRoom, live: LiveSession, plan: TransferPlan): Promise<PlanNeeds> {
  const { id, authorization, pass } = live.record.value;
  if (!bringsBytes(pass)) return NO_NEEDS;
  refuseUnknownEntries(plan, authorization);
  const { whole, copied } = assembledBytesOf(plan);
  return {
    // A quota counts the bytes that a user puts there, wherever they come from.
    linkBytes: (await linkBytesOf(plan)) + copied,
    takeRoom: () => room.take(id, (plan.layout.bytesTotal ?? 0) + whole, pass.manifestBytes ?? 0),
    openChunks: () => live.content.incoming.get(),
  };
}

async function agree(
  { room, usage }: Reserving,
  { live, epoch, cause }: SessionWork,
  wanted: PlanSets | 'everything',
): Promise<TransferPlan> {
  const { content, record } = live;
  const sets = wanted === 'everything' ? { have: new ChunkSet(), attributes: new ChunkSet() } : wanted;
  const plan = createPlan(await content.manifest.get(), sets);
  const before = await content.currentPlan();
  if (before !== undefined) {
    if (samePlan(before, plan)) return before;
    throw new CairnError(
      'session-state',
      'another plan was agreed for this session; start a new one for this',
    );
  }
  const { id, authorization, pass } = record.value;
  const { manifestBytes = 0 } = pass;
  const { bytesTotal } = plan.layout;
  const { linkBytes, takeRoom, openChunks } = await needsOf(room, live, plan);
  const bringing = bringsBytes(pass) ? (bytesTotal ?? 0) + linkBytes : 0;
  await openUsage(usage, announcementOf(record.value, { bytes: bringing }));
  try {
    // First, since it asks the disk: nothing may wait between the check of the quota and the record.
    await takeRoom();
    record.checkEpoch(epoch);
    if (authorization !== undefined)
      checkBytes(usage, authorization, record.value, (bytesTotal ?? 0) + linkBytes);
    await savePlan(await content.area.get(), plan);
    content.plan.set(plan);
    // Opened before the session is, so that the store refuses here what it cannot stage.
    await openChunks();
    await record.change('opened', { pass: { bytesTotal, bytesDone: 0, linkBytes } }, epoch, cause);
  } catch (error) {
    usage.tally.release(id);
    room.shrink(id, manifestBytes);
    await usage.announcements?.tell(announcementOf(record.value, { bytes: 0 }));
    content.plan.forget();
    await content.closeChunks({ sync: false });
    throw error;
  }
  return plan;
}

/**
 * The server tells a client which entries are there, if the client may know. A plan that names some without having
 * been told tries them out, and would learn at the commit whether it was right.
 *
 * @throws CairnError `forbidden`
 */
function refuseUnknownEntries({ have }: TransferPlan, authorization: Authorization | undefined): void {
  if (have.size === 0 || authorization === undefined || mayCompare(authorization.scopes)) return;
  throw new CairnError(
    'forbidden',
    'this access token may not learn which entries are already there (that takes scope list or read); send everything',
  );
}

/**
 * Agrees on the plan that the server proposes, or answers the agreed one: an earlier try of the same request may have
 * been given another proposal.
 *
 * @throws CairnError like {@link Agree}
 */
export async function agreeOnProposed(
  agreeOn: Agree,
  work: SessionWork,
  proposed: PlanSets,
): Promise<TransferPlan> {
  return (await work.live.content.currentPlan()) ?? agreeOn(work, proposed);
}
