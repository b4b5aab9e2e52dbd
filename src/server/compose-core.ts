/** Composes the core of a server: its sessions, and the operations on them. */
import { randomBytes } from 'node:crypto';
import { DEFAULT_SYNC_MODE } from '../session/sync-mode.ts';
import { DEFAULT_GROUP_COMMIT } from '../transfer/group-commit.ts';
import { createCollector } from './compose-collector.ts';
import type { Foundation } from './compose-foundation.ts';
import { createScanLimits } from './core/limiter.ts';
import { createAdmission, type CheckStands } from './core/sessions/admission.ts';
import { createAgree } from './core/sessions/agreeing.ts';
import { createAskForCommit } from './core/sessions/commit-waiting.ts';
import { createCommits } from './core/sessions/commits.ts';
import { createTakeDeletions } from './core/sessions/deletions-taking.ts';
import { createTakeDocument } from './core/sessions/document-taking.ts';
import { createEarlierSessions } from './core/sessions/earlier-sessions.ts';
import { createEnding } from './core/sessions/ending.ts';
import { createEstablish, createKeepRecord } from './core/sessions/establishing.ts';
import { createToldCuts } from './core/sessions/told-cuts.ts';
import { createTermsOf } from './core/sessions/session-terms.ts';
import { resumeCommits } from './core/sessions/interrupted-commits.ts';
import { freeLeftovers } from './core/sessions/leftovers.ts';
import { LiveRecord } from './core/sessions/live-record.ts';
import { LiveSession, type SessionParts } from './core/sessions/live-session.ts';
import { LiveSessions } from './core/sessions/live-sessions.ts';
import { createTakeManifest } from './core/sessions/manifest-taking.ts';
import { createNewRecord } from './core/sessions/new-record.ts';
import { createPublishers } from './core/sessions/publishers.ts';
import { createReceive } from './core/sessions/receiving.ts';
import { createResume } from './core/sessions/resuming.ts';
import { SessionContent } from './core/sessions/session-content.ts';
import { createScanSource } from './core/sessions/source-scan.ts';
import type { ServerOptions } from './server-options.ts';

/** The core of one server; only the `compose-*.ts` see all of it. */
export type Core = ReturnType<typeof createCore>;

/** The foundation with the identity of this server. */
type Base = Foundation & {
  /** Random id of this server: names it as the holder of bytes that are not durable yet, and as one of many nodes. */
  readonly instanceId: string;
};

/** Makes the core of a server and starts its collector. */
export function createCore(options: ServerOptions, foundation: Foundation, checkStands: CheckStands) {
  const { log, times, sessions, content, usage, room, limits, metrics } = foundation;
  const base: Base = { ...foundation, instanceId: randomBytes(12).toString('base64url') };
  const sessionKey = options.sessionKey ?? randomBytes(32);
  const { instanceId } = base;
  const leftovers = freeLeftovers(content, sessions, log);
  const live = createLive(options, base, leftovers.note);
  const publishers = createPublishers({
    isShared: sessions.properties.shared,
    instanceId,
    now: times.now,
    publisherLeaseMs: limits.publisherLeaseMs,
    log,
  });
  const toldCuts = createToldCuts(options.keptCuts, content);
  const running = {
    ledger: usage.ledger,
    times,
    publishers,
    toldCuts,
    onCommitted: metrics.committed,
    log,
  };
  const commits = createCommits({ running, usage, checkStands, publishers });
  const ending = createEnding({ sessions, times, publishers, resumeCommit: commits.resume, log });
  const { begin, resume } = commits;
  const interrupted = { sessions, live, resume, isAbandoned: publishers.isAbandoned, log };
  const resumeAbandoned = (isStopping: () => boolean): Promise<void> =>
    resumeCommits(interrupted, isStopping);
  const { scanLimiter, manifestLimiter } = createScanLimits();
  const takeDocument = createTakeDocument({ manifestLimiter, room, usage, limits });
  return {
    sessionKey,
    toldCuts,
    leftovers,
    live,
    ending,
    askForCommit: createAskForCommit({ begin, publishers, commitWaitMs: limits.commitWaitMs }),
    scanLimiter,
    admit: createAdmission({
      live,
      isShared: publishers.isShared,
      refuseExpired: ending.refuseExpired,
      usage,
      checkStands,
      now: times.now,
      onStranger: () => metrics.authenticationFailed('session-credential'),
      log,
    }),
    agree: createAgree({ room, usage }),
    receive: createReceive({ room, usage, onReceived: metrics.received, log }),
    takeManifest: createTakeManifest(takeDocument, limits.manifest, log),
    takeDeletions: createTakeDeletions({ takeDocument, room, limits: limits.manifest, log }),
    scanSource: createScanSource({ content, scanLimiter, usage, room, limits, log }),
    ...createDoors({ ...options, sessionKey }, base, { live, refuseExpired: ending.refuseExpired, commits }),
    collector: createCollector(base, { live, expire: ending.expire, publishers, resumeAbandoned }),
    /** Finishes the commits that an earlier run of a lone server left; of many nodes the elected collector does so. */
    resumeCommits: publishers.isShared ? async () => undefined : resumeAbandoned,
  };
}

function createLive(options: ServerOptions, base: Base, onLeftover: (id: string) => void): LiveSessions {
  const { log, limits, times, content, metadata, sessions, room, metrics, hidePaths, instanceId } = base;
  const isAlwaysDurable = content.properties.durability === 'immediate';
  const keeping = {
    sessions,
    times,
    isHeldHere: (holder: string | null) => isAlwaysDurable || holder === instanceId,
    log,
  };
  const contentOptions = {
    content,
    metadata,
    manifestLimits: limits.manifest,
    groupCommit: options.groupCommit ?? DEFAULT_GROUP_COMMIT,
    saveDigestsEveryMs: limits.saveDigestsEveryMs,
    now: times.now,
    onSynced: metrics.synced,
    onDiscard: room.release,
    onLeftover,
    log,
  };
  const parts: SessionParts = {
    openRecord: (value, onTaken) => new LiveRecord(keeping, value, onTaken),
    openContent: (record) => new SessionContent(contentOptions, record),
    now: times.now,
    hidePaths,
    log,
  };
  return new LiveSessions({
    sessions,
    open: (record) => new LiveSession(parts, record),
    now: times.now,
    idleMs: limits.idleSessionMs,
    log,
  });
}

/** Makes the functions that establish and resume sessions. */
function createDoors(
  options: ServerOptions & { readonly sessionKey: Uint8Array },
  { log, limits, times, wallNow, content, metadata, sessions, usage, metrics, instanceId }: Base,
  core: Pick<Parameters<typeof createEarlierSessions>[0], 'live' | 'refuseExpired'> & {
    readonly commits: ReturnType<typeof createCommits>;
  },
) {
  const { holdsPartialChunks, chunkSizeBytes, assembles } = content.properties;
  const keepsBlocks = options.keptCuts !== undefined;
  const termsOf = createTermsOf({ times, wallNow, holdsPartialChunks, assembles, keepsBlocks });
  const resume = createResume({ usage, times, instanceId, termsOf, onResumed: metrics.resumed, log });
  const { live, refuseExpired, commits } = core;
  const earlier = createEarlierSessions({
    sessions,
    live,
    times,
    refuseExpired,
    resume,
    resumeCommit: commits.resume,
  });
  const newRecord = createNewRecord({
    chunkSizes: [limits.chunkSizeBytes, chunkSizeBytes],
    parallelPerSession: limits.parallelPerSession,
    sync: options.sync ?? DEFAULT_SYNC_MODE,
    instanceId,
    times,
    metadata,
  });
  const establish = createEstablish({
    content,
    sessionKey: options.sessionKey,
    earlier,
    newRecord,
    keepRecord: createKeepRecord(sessions, usage, limits),
    termsOf,
    log,
  });
  return { earlier, establish };
}
