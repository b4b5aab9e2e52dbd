/** Composes the handlers of a server: each gets the few things that it uses. */
import { createByteBudget } from '../transfer/byte-budget.ts';
import type { Core } from './compose-core.ts';
import type { Foundation } from './compose-foundation.ts';
import { createGrantHandlers } from './front-ends/admin/grant-requests.ts';
import {
  createAdministrativeAbort,
  createListSessionsHandler,
  createShowSessionHandler,
} from './front-ends/admin/session-requests.ts';
import { createPublicHandler, createTreeHandler } from './front-ends/files/public-files.ts';
import { createTreeChangeHandler } from './front-ends/files/change-requests.ts';
import { createCheckpointHandler } from './front-ends/native/checkpoint-request.ts';
import { createCommitHandler } from './front-ends/native/commit.ts';
import { createCutsHandlers } from './front-ends/native/cuts.ts';
import { createDigestsHandler } from './front-ends/native/digests.ts';
import { createEstablishHandler, createResumeHandler } from './front-ends/native/establish.ts';
import { createExtrasHandler } from './front-ends/native/answer-extras.ts';
import { createGreetingHandler, withGreeting } from './front-ends/native/greet.ts';
import { createPartsHandlers } from './front-ends/native/parts.ts';
import { createPlanHandler } from './front-ends/native/plan.ts';
import { createProbeHandlers } from './front-ends/native/answer-probe.ts';
import { createGetManifestHandler } from './front-ends/native/pull-manifest.ts';
import { createPutDeletionsHandler } from './front-ends/native/receive-deletions.ts';
import { createPutManifestHandler } from './front-ends/native/push-manifest.ts';
import { createHeadChunkHandler, createPutChunkHandler } from './front-ends/native/receive-chunk.ts';
import { createGetChunkHandler } from './front-ends/native/send-chunk.ts';
import {
  createAbortHandler,
  createHeartbeatHandler,
  createSuspendHandler,
  createSyncHandler,
} from './front-ends/native/session-control.ts';
import { createWithSession, type WithSession } from './front-ends/native/session-request.ts';
import { createToldBlocksHandler } from './front-ends/native/told-blocks.ts';
import { createTreeIdHandler } from './front-ends/native/tree-id.ts';
import { createWhoAmIHandler, storeName } from './front-ends/native/whoami.ts';
import type { Methods, Routes } from './front-ends/router.ts';
import type { Access } from './http/authorize.ts';
import type { IdHandler } from './http/handler.ts';
import type { LimitedLog } from './http/log-limiter.ts';
import type { ServerOptions } from './server-options.ts';

/** Memory for compressed chunks of all pulls together; once it is used up, chunks go uncompressed. */
const ENCODING_MEMORY_BYTES = 64 * 1024 * 1024;

interface Composed {
  readonly options: Pick<ServerOptions, 'version' | 'login' | 'localKey' | 'grants' | 'keptCuts' | 'node'>;
  readonly foundation: Foundation;
  readonly core: Core;
  readonly access: Access;
  readonly limitedLog: LimitedLog;
}

/** Makes the routes of one server without those for its operators. */
export function composeRoutes(composed: Composed): Omit<Routes, 'operations'> {
  const { options, foundation, core, access } = composed;
  const { content, metadata, log, limits, metrics } = foundation;
  const { version, login, localKey, grants } = options;
  const { maxJsonBytes } = limits;
  const { maxEntries } = limits.manifest;
  const published = { content, scanLimiter: core.scanLimiter, maxEntries, onSent: metrics.sent };
  const probes = createProbeHandlers(access);
  const granting = createGrantHandlers(access, { grants, maxJsonBytes, log });
  const greet = createGreetingHandler({ version, metadata, login, localKey });
  const { wallNow, readiness, sessions, times } = foundation;
  const store = storeName(core.sessionKey);
  const told = { wallNow, freeBytes: readiness.freeBytes, store, node: options.node };
  return {
    protocol: new Map([
      ['', { GET: greet, HEAD: greet }],
      [
        'tree',
        {
          GET: createTreeHandler(access, published),
          POST: createTreeChangeHandler(access, { content, maxJsonBytes, log }),
        },
      ],
      ['tree-id', { POST: createTreeIdHandler(access, { content, metadata, maxJsonBytes, log }) }],
      ['whoami', { GET: createWhoAmIHandler(access, told) }],
      ['probe', { POST: probes.upload, GET: probes.download }],
      [
        'sessions',
        {
          POST: createEstablishHandler({ access, maxJsonBytes }, core.establish),
          GET: createListSessionsHandler(access, { sessions, live: core.live, times }),
        },
      ],
      ['grants', { POST: granting.issue, GET: granting.list }],
    ]),
    grant: { DELETE: granting.revoke },
    ...sessionRoutes(composed, createWithSession(access, core.admit)),
    files: withGreeting({ version, metadata }, createPublicHandler(access, published)),
  };
}

function sessionRoutes(
  { options, foundation, core, access, limitedLog }: Composed,
  withSession: WithSession,
): Pick<Routes, 'session' | 'chunk'> {
  const { content, log, limits, metrics, sessions, times, wallNow, hidePaths, room } = foundation;
  const { live, ending, agree, scanLimiter, takeManifest, takeDeletions, scanSource } = core;
  const { maxJsonBytes, maxRunsBytes } = limits;
  const controlled = { withSession, maxJsonBytes };
  const byToken = createAdministrativeAbort(access, { sessions, live }, ending.abort);
  const { maxBytes } = limits.manifest;
  const { leaseMs } = times;
  const cuts = createCutsHandlers(withSession, {
    content,
    kept: options.keptCuts,
    limitedLog,
    maxRunsBytes,
  });
  const encodingMemory = createByteBudget(ENCODING_MEMORY_BYTES);
  return {
    session: new Map<string, Methods<IdHandler>>([
      [
        '',
        {
          DELETE: createAbortHandler(withSession, { abort: ending.abort, live }, byToken),
          GET: createShowSessionHandler(access, { sessions, live, times }),
        },
      ],
      ['resume', { POST: createResumeHandler({ access, maxJsonBytes }, core.earlier) }],
      [
        'manifest',
        {
          PUT: createPutManifestHandler(withSession, { takeManifest, content, scanLimiter, agree, maxBytes }),
          GET: createGetManifestHandler(withSession, { scanSource, agree, hidePaths }),
        },
      ],
      ['digests', { POST: createDigestsHandler(withSession, { content, limitedLog, maxRunsBytes }) }],
      ['extras', { GET: createExtrasHandler(withSession, { content, scanLimiter }) }],
      ['deletions', { PUT: createPutDeletionsHandler(withSession, { takeDeletions, maxBytes }) }],
      ['blocks', { POST: cuts.blocks, PUT: createToldBlocksHandler(withSession, core.toldCuts) }],
      ['grains', { POST: cuts.grains }],
      ['parts', createPartsHandlers(withSession, { content, room })],
      ['plan', { PUT: createPlanHandler(withSession, { agree, content, maxRunsBytes }) }],
      ['checkpoint', { GET: createCheckpointHandler(withSession) }],
      ['sync', { POST: createSyncHandler(controlled) }],
      ['heartbeat', { POST: createHeartbeatHandler(controlled, { leaseMs, wallNow }) }],
      ['suspend', { POST: createSuspendHandler(controlled, log) }],
      ['commit', { POST: createCommitHandler(withSession, core.askForCommit, limits) }],
    ]),
    chunk: {
      PUT: createPutChunkHandler(withSession, core.receive),
      HEAD: createHeadChunkHandler(withSession),
      GET: createGetChunkHandler(withSession, { encodingMemory, onSent: metrics.sent, log }),
    },
  };
}
