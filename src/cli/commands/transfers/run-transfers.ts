/** `cairn transfers`: this machine's checkpoints. */
import type { ReachOptions } from '../../../client/api/reach.ts';
import { EXIT, type ExitCode } from '../../../base/errors.ts';
import { printable } from '../../../base/safe-path.ts';
import type { TransferInfo } from '../../../client/state/transfer-info.ts';
import type { UnreadableTransfer } from '../../../client/transfers.ts';
import { reachOf } from '../../access/run-client.ts';
import { watchSignals } from '../../process/interruption.ts';
import { doneLine, jsonLine } from '../../report/json-line.ts';
import { openStateHome } from '../../access/user-directories.ts';
import { transferObject, transferLines, transferTable, unreadableObject } from './transfer-table.ts';
import { usage } from '../../options/usage.ts';
import type { ResumeValues, RmValues, TransfersValues } from './transfers-command.ts';
import { print } from '../../process/output.ts';

/** What can be removed. */
type Found = TransferInfo | UnreadableTransfer;

/** A user who removes a transfer does not wait long for its server. */
const ABORT_RETRY_FOR_MS = 5000;

/** `cairn transfers [list]`. */
export async function runTransfersList({ json }: TransfersValues): Promise<ExitCode> {
  const { surveyTransfers } = await import('../../../client/transfers.ts');
  const { transfers, unreadable } = await surveyTransfers(await openStateHome());
  const objects = [...transfers.map(transferObject), ...unreadable.map(unreadableObject)];
  const lines = json
    ? [...objects.map(jsonLine), doneLine({ transfers: transfers.length })]
    : transferTable(transfers, unreadable);
  print(lines.join(''));
  return EXIT.done;
}

/** `cairn transfers show ID`. */
export async function runTransfersShow(id: string, { json }: TransfersValues): Promise<ExitCode> {
  const { showTransfer } = await import('../../../client/transfers.ts');
  const info = await showTransfer(await openStateHome(), id);
  const lines = json ? [jsonLine(transferObject(info)), doneLine({ transfers: 1 })] : transferLines(info);
  print(lines.join(''));
  return EXIT.done;
}

/** `cairn transfers rm ID... | --all`. */
export async function runTransfersRm(ids: readonly string[], values: RmValues): Promise<ExitCode> {
  const { findTransfer, removeTransfer, surveyTransfers } = await import('../../../client/transfers.ts');
  if (values.all ? ids.length > 0 : ids.length === 0) {
    throw usage('transfers rm takes the ids of transfers, or --all', 'cairn transfers rm --all');
  }
  const stateHome = await openStateHome();
  // One that is running is not removed: its id is refused, and --all passes over it.
  const all = async (): Promise<Found[]> => {
    const { transfers, unreadable } = await surveyTransfers(stateHome);
    return [...transfers, ...unreadable].filter(({ locked }) => !locked);
  };
  const chosen = values.all ? await all() : await Promise.all(ids.map((id) => findTransfer(stateHome, id)));
  const interruption = watchSignals(() => undefined);
  try {
    for (const found of chosen) {
      interruption.signal.throwIfAborted();
      const abort = values.abort ? abortOf(found, values, stateHome, interruption.signal) : undefined;
      // oxlint-disable-next-line no-await-in-loop -- the first that is refused stops the rest
      await removeTransfer(stateHome, found.id, abort === undefined ? {} : { abort });
      print(values.json ? jsonLine({ type: 'removed', id: found.id }) : removedLine(found));
    }
  } finally {
    interruption.dispose();
  }
  if (values.json) print(doneLine({ transfers: chosen.length }));
  return EXIT.done;
}

function removedLine(found: Found): string {
  return `removed ${found.id.slice(0, 8)} (${'url' in found ? printable(found.url) : found.message})\n`;
}

/** How to tell the server of a transfer that is removed; undefined where nothing says which server it is. */
function abortOf(
  found: Found,
  values: RmValues,
  stateHome: string,
  signal: AbortSignal,
): Omit<ReachOptions, 'url'> | undefined {
  if (!('url' in found)) {
    process.stderr.write(`cairn: the server of ${found.id.slice(0, 8)} was not told: ${found.message}\n`);
    return undefined;
  }
  const reach = reachOf(new URL(found.url), values, stateHome);
  return { ...reach, retryForMs: ABORT_RETRY_FOR_MS, signal, report: () => undefined };
}

/** `cairn transfers resume`. */
export async function runTransfersResume({ json, quiet }: ResumeValues): Promise<ExitCode> {
  const { surveyTransfers } = await import('../../../client/transfers.ts');
  const { resumeAll } = await import('./resume-all.ts');
  const found = await surveyTransfers(await openStateHome());
  return resumeAll(found, { json, quiet });
}
