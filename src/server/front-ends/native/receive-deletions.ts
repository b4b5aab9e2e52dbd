/** `PUT sessions/{id}/deletions`: takes the list of what a push is to delete once everything is published. */
import type { TakeDeletions } from '../../core/sessions/deletions-taking.ts';
import { clientSignal } from '../../http/client-signal.ts';
import { contentLengthOf, openBody } from '../../http/exchange.ts';
import type { IdHandler } from '../../http/handler.ts';
import { sendJson } from '../../http/reply.ts';
import { refuseDocument } from './refuse-document.ts';
import type { WithSession } from './session-request.ts';

/** Makes the handler that takes a list, durably; `maxBytes` is the longest one. */
export function createPutDeletionsHandler(
  withSession: WithSession,
  { takeDeletions, maxBytes }: { readonly takeDeletions: TakeDeletions; readonly maxBytes: number },
): IdHandler {
  return (exchange, id) =>
    withSession(exchange, { id, event: 'prepare', direction: 'push' }, async (work) => {
      const signal = clientSignal(exchange);
      const coming = { lengthBytes: contentLengthOf(exchange), open: () => openBody(exchange), signal };
      const { id: list, entries } = await work.live
        .exclusive(() => takeDeletions(work, coming))
        .catch((error: unknown) => refuseDocument(exchange, error, maxBytes));
      await sendJson(exchange, 200, { id: list, entries: entries.length });
    });
}
