/** `PUT sessions/{id}/blocks`: what the new files of a push are made of, so that they need not be read for the next one. */
import { CairnError } from '../../../base/errors.ts';
import { decodeRecipe } from '../../../manifest/cut-codec.ts';
import { BLOCK_ID_BYTES } from '../../../manifest/cut-ids.ts';
import { MAX_TOLD_BYTES, readFrames } from '../../../wire/cut-frames.ts';
import { createLimiter } from '../../core/limiter.ts';
import type { ToldCuts } from '../../core/sessions/told-cuts.ts';
import { clientSignal } from '../../http/client-signal.ts';
import { contentLengthOf, openBody } from '../../http/exchange.ts';
import type { IdHandler } from '../../http/handler.ts';
import { sendJson } from '../../http/reply.ts';
import type { WithSession } from './session-request.ts';

/** Requests in memory at a time, in bytes. */
const AT_A_TIME = { max: 4 * MAX_TOLD_BYTES, maxOfPrincipal: 2 * MAX_TOLD_BYTES, waitMs: 20_000 };

/** Makes the handler, which takes the blocks of those files that the agreed plan carries in parts. */
export function createToldBlocksHandler(
  withSession: WithSession,
  toldCuts: Pick<ToldCuts, 'take'>,
): IdHandler {
  const limiter = createLimiter(AT_A_TIME, 'blocks of new files');
  return (exchange, id) =>
    withSession(exchange, { id, event: 'transfer', direction: 'push' }, async ({ live }) => {
      const { manifest, parts } = await live.content.agreedPlan();
      const cost = contentLengthOf(exchange);
      if (cost === undefined || cost > MAX_TOLD_BYTES)
        throw new CairnError('invalid-request', `blocks need a Content-Length of at most ${MAX_TOLD_BYTES}`);
      const { principal } = live.record.value;
      await limiter({ principal, signal: clientSignal(exchange), cost }, async () => {
        const isWanted = (entry: number): boolean => parts?.assemblies.has(entry) === true;
        const records = await readFrames(openBody(exchange), isWanted, cost);
        for (const [entry, bytes] of records) {
          const recipe = decodeRecipe(bytes, manifest.entries.sizeOf(entry), BLOCK_ID_BYTES[manifest.digest]);
          await toldCuts.take(live, { recipe, checks: parts?.assemblies.get(entry)?.recipe });
        }
      });
      await sendJson(exchange, 200, {});
    });
}
