/** `PUT sessions/{id}/plan`: both sides agree on the entries that are not carried, and the session opens. */
import { PlanWithoutRuns } from '../../../wire/messages.ts';
import type { Agree } from '../../core/sessions/agreeing.ts';
import { loadParts } from '../../core/sessions/session-documents.ts';
import { checkTakesParts } from '../../core/sessions/taking-parts.ts';
import { acceptanceOf } from '../../core/sessions/transfer-plan.ts';
import type { ContentStore } from '../../../storage/content-store.ts';
import type { IdHandler } from '../../http/handler.ts';
import { sendJson } from '../../http/reply.ts';
import { readRunsMessage } from '../../http/request-runs.ts';
import type { WithSession } from './session-request.ts';

/** What {@link createPlanHandler} needs. */
export interface Agreeing {
  readonly agree: Agree;
  readonly content: Pick<ContentStore, 'properties'>;
  /** Longest plan, in bytes. */
  readonly maxRunsBytes: number;
}

/** Makes the handler that takes a plan and answers with the size of the layout that follows from it. */
export function createPlanHandler(
  withSession: WithSession,
  { agree, content, maxRunsBytes }: Agreeing,
): IdHandler {
  return (exchange, id) =>
    withSession(exchange, { id, event: 'opened' }, async (work) => {
      const { live } = work;
      const manifest = await live.content.manifest.get();
      const { length: entries } = manifest.entries;
      const { sets, message } = await readRunsMessage(exchange, {
        schema: PlanWithoutRuns,
        names: ['have', 'attributes'],
        entries,
        maxBytes: maxRunsBytes,
        what: 'the plan',
      });
      const { parts: partsId } = message;
      if (partsId !== undefined) checkTakesParts(content.properties, live.record.value);
      const agreed = await live.exclusive(async () => {
        const parts =
          partsId === undefined
            ? undefined
            : await loadParts(await live.content.area.get(), manifest, partsId);
        return agree(work, { ...sets, parts });
      });
      await sendJson(exchange, 200, acceptanceOf(agreed));
    });
}
