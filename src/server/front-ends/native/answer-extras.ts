/** `GET sessions/{id}/extras`: what the target of a push has beside the entries of its manifest. */
import type { ContentStore } from '../../../storage/content-store.ts';
import { extrasOf } from '../../../transfer/scan-extras.ts';
import { EXTRAS_HEADER, encodeExtrasEnd } from '../../../wire/extras-stream.ts';
import { encodeNotice, type Notice } from '../../../wire/tree-stream.ts';
import { encodeEntry } from '../../../manifest/manifest.ts';
import { CairnError } from '../../../base/errors.ts';
import type { Limiter } from '../../core/limiter.ts';
import type { SessionWork } from '../../core/sessions/admission.ts';
import { checkMayDelete } from '../../core/sessions/deletions-taking.ts';
import { clientSignal } from '../../http/client-signal.ts';
import type { Exchange } from '../../http/exchange.ts';
import type { IdHandler } from '../../http/handler.ts';
import { createLineWriter, type LineWriter } from '../../http/line-writer.ts';
import { end } from '../../http/reply.ts';
import { beginTree } from '../../http/tree-reply.ts';
import type { WithSession } from './session-request.ts';

/** What {@link createExtrasHandler} needs. */
export interface ExtrasAnswer {
  readonly content: Pick<ContentStore, 'scan'>;
  readonly scanLimiter: Limiter;
}

/** Makes the handler that scans the target and answers with what a mirror would delete. */
export function createExtrasHandler(
  withSession: WithSession,
  { content, scanLimiter }: ExtrasAnswer,
): IdHandler {
  return (exchange, id) =>
    withSession(exchange, { id, event: 'prepare', direction: 'push' }, async (work) => {
      checkMayDelete(work.live.record.value);
      const { principal } = work.live.record.value;
      const signal = clientSignal(exchange);
      await scanLimiter({ principal, signal }, () => answer(content, exchange, work));
    });
}

async function answer(
  content: Pick<ContentStore, 'scan'>,
  exchange: Exchange,
  { live, epoch }: SessionWork,
): Promise<void> {
  const manifest = await live.content.manifest.get();
  let notices: Notice[] = [];
  // Of cairn's own names a client must not even know.
  const onNotice = (notice: Notice): void =>
    void (notice.code === 'path-reserved' ? undefined : notices.push(notice));
  const totals = { total: 0 };
  let extras = 0;
  // A refusal of the scan comes before its first entry, and needs an answer without a head.
  let lines: LineWriter | undefined;
  const begin = async (): Promise<LineWriter> => {
    beginTree(exchange);
    const writer = createLineWriter(exchange);
    await writer.add(EXTRAS_HEADER);
    return writer;
  };
  const scanned = scanOf(content, live.record.value.target, onNotice);
  for await (const batch of extrasOf(scanned, manifest.entries, totals)) {
    live.record.checkEpoch(epoch);
    lines ??= await begin();
    extras += batch.length;
    for (const entry of batch) await lines.add(encodeEntry(entry));
    for (const notice of notices) await lines.add(encodeNotice(notice));
    notices = [];
    await lines.tick();
  }
  lines ??= await begin();
  for (const notice of notices) await lines.add(encodeNotice(notice));
  await end(exchange, Buffer.from(`${lines.rest()}${encodeExtrasEnd(extras, totals.total)}\n`));
}

/** The scan of a target; nothing where there is none. */
async function* scanOf(
  content: Pick<ContentStore, 'scan'>,
  target: string,
  onNotice: (notice: Notice) => void,
): ReturnType<ContentStore['scan']> {
  try {
    yield* content.scan(target, { onNotice });
  } catch (error) {
    if (!(error instanceof CairnError) || error.code !== 'not-found') throw error;
  }
}
