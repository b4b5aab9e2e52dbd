/** `PUT` and `GET sessions/{id}/parts`: the document that says of which files only parts are carried. */
import { CairnError } from '../../../base/errors.ts';
import { encodeParts, MAX_PARTS_BYTES } from '../../../manifest/parts-document.ts';
import type { ContentStore } from '../../../storage/content-store.ts';
import { readParts } from '../../../wire/read-parts.ts';
import { createLimiter } from '../../core/limiter.ts';
import { saveParts } from '../../core/sessions/session-documents.ts';
import type { StagingRoom } from '../../core/sessions/staging-room.ts';
import { checkTakesParts } from '../../core/sessions/taking-parts.ts';
import { clientSignal } from '../../http/client-signal.ts';
import { contentLengthOf, openBody } from '../../http/exchange.ts';
import type { IdHandler } from '../../http/handler.ts';
import { end, NDJSON_TYPE, sendJson, write } from '../../http/reply.ts';
import type { WithSession } from './session-request.ts';

/** Documents in memory at a time, in bytes. */
const AT_A_TIME = { max: 4 * MAX_PARTS_BYTES, maxOfPrincipal: 2 * MAX_PARTS_BYTES, waitMs: 20_000 };

/** What {@link createPartsHandlers} needs. */
export interface KeepingParts {
  readonly content: Pick<ContentStore, 'properties'>;
  readonly room: Pick<StagingRoom, 'takeDocuments'>;
}

/** Makes the handlers that take the parts of a plan to come, and give back those of an agreed one. */
export function createPartsHandlers(
  withSession: WithSession,
  { content, room }: KeepingParts,
): Record<'PUT' | 'GET', IdHandler> {
  const limiter = createLimiter(AT_A_TIME, 'parts of plans');
  return {
    PUT: (exchange, id) =>
      withSession(exchange, { id, event: 'prepare' }, async ({ live, epoch }) => {
        const { record } = live;
        checkTakesParts(content.properties, record.value);
        const cost = contentLengthOf(exchange);
        if (cost === undefined || cost > MAX_PARTS_BYTES)
          throw new CairnError(
            'invalid-request',
            `parts need a Content-Length of at most ${MAX_PARTS_BYTES}`,
          );
        const { principal, pass } = record.value;
        await limiter({ principal, signal: clientSignal(exchange), cost }, async () => {
          const parts = await readParts(openBody(exchange), await live.content.manifest.get());
          await live.exclusive(async () => {
            if ((await live.content.currentPlan()) !== undefined)
              throw new CairnError('session-state', 'a plan was agreed already, and its parts with it');
            await room.takeDocuments(id, (pass.manifestBytes ?? 0) + cost, pass);
            record.checkEpoch(epoch);
            await saveParts(await live.content.area.get(), parts);
          });
        });
        await sendJson(exchange, 200, {});
      }),
    GET: (exchange, id) =>
      withSession(exchange, { id, event: 'prepare' }, async ({ live }) => {
        const { parts } = await live.content.agreedPlan();
        if (parts === undefined) throw new CairnError('not-found', 'the plan of this session has no parts');
        exchange.response.writeHead(200, { 'Content-Type': NDJSON_TYPE });
        for (const line of encodeParts(parts.assemblies)) await write(exchange, line);
        await end(exchange);
      }),
  };
}
