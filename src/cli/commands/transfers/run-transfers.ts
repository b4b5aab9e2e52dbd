/** `cairn transfers`: this machine's checkpoints. */
import type { ReachOptions } from '../../../client/api/reach.ts';
import { EXIT, type ExitCode } from '../../../base/errors.ts';
import { printable } from '../../../base/safe-path.ts';
import type { TransferInfo, UnreadableTransfer } from '../../../client/transfers.ts';
import { proxyFor } from '../../../client/http/proxy.ts';
import { clientTls, tlsSettingsOf, type TlsWords } from '../../access/client-tls.ts';
import { clientAccess } from '../../access/client-token.ts';
import { watchSignals } from '../../process/interruption.ts';
import { jsonLine } from '../../screen/json-line.ts';
import { openStateHome } from '../../access/user-directories.ts';
import { transferObject, transferLines, transferTable, unreadableObject } from './transfer-table.ts';
import { usage } from '../../options/usage.ts';
import { print } from '../../process/output.ts';

/** Options of the subcommands. */
export interface TransfersWords extends TlsWords {
  readonly json?: boolean;
  readonly all?: boolean;
  readonly quiet?: boolean;
  /** Also tell the server. */
  readonly abort?: boolean;
  readonly tokenFile?: string;
}

/** What can be removed. */
type Found = TransferInfo | UnreadableTransfer;

/** The user who forgets a transfer does not wait long for its server. */
const ABORT_RETRY_FOR_MS = 5000;

/** `cairn transfers [list]`. */
export async function runTransfersList({ json }: TransfersWords): Promise<ExitCode> {
  const { surveyTransfers } = await import('../../../client/transfers.ts');
  const { transfers, unreadable } = await surveyTransfers(await openStateHome());
  const objects = [...transfers.map(transferObject), ...unreadable.map(unreadableObject)];
  const lines = json
    ? [...objects, summary(transfers.length)].map(jsonLine)
    : transferTable(transfers, unreadable);
  print(lines.join(''));
  return EXIT.done;
}

/** `cairn transfers show ID`. */
export async function runTransfersShow(id: string, { json }: TransfersWords): Promise<ExitCode> {
  const { showTransfer } = await import('../../../client/transfers.ts');
  const info = await showTransfer(await openStateHome(), id);
  const lines = json ? [jsonLine(transferObject(info)), jsonLine(summary(1))] : transferLines(info);
  print(lines.join(''));
  return EXIT.done;
}

/** `cairn transfers rm ID... | --all`. */
export async function runTransfersRm(ids: readonly string[], words: TransfersWords): Promise<ExitCode> {
  const { findTransfer, removeTransfer, surveyTransfers } = await import('../../../client/transfers.ts');
  if (words.all ? ids.length > 0 : ids.length === 0) {
    throw usage('transfers rm takes the ids of transfers, or --all', 'cairn transfers rm --all');
  }
  const stateHome = await openStateHome();
  // One that is running is not removed: its id is refused, and --all passes over it.
  const all = async (): Promise<Found[]> => {
    const { transfers, unreadable } = await surveyTransfers(stateHome);
    return [...transfers, ...unreadable].filter(({ locked }) => !locked);
  };
  const chosen = words.all ? await all() : await Promise.all(ids.map((id) => findTransfer(stateHome, id)));
  const interruption = watchSignals(() => undefined);
  try {
    for (const found of chosen) {
      interruption.signal.throwIfAborted();
      const abort = words.abort ? reachOf(found, words, stateHome, interruption.signal) : undefined;
      // oxlint-disable-next-line no-await-in-loop -- the first that is refused stops the rest
      await removeTransfer(stateHome, found.id, abort === undefined ? {} : { abort });
      print(words.json ? jsonLine({ type: 'removed', id: found.id }) : removedLine(found));
    }
  } finally {
    interruption.dispose();
  }
  if (words.json) print(jsonLine(summary(chosen.length)));
  return EXIT.done;
}

function removedLine(found: Found): string {
  return `removed ${found.id.slice(0, 8)} (${'url' in found ? printable(found.url) : found.message})\n`;
}

/** How to reach the server of a transfer that is removed; undefined where nothing says which it is. */
function reachOf(
  found: Found,
  words: TransfersWords,
  stateHome: string,
  signal: AbortSignal,
): Omit<ReachOptions, 'url'> | undefined {
  if (!('url' in found)) {
    process.stderr.write(`cairn: the server of ${found.id.slice(0, 8)} was not told: ${found.message}\n`);
    return undefined;
  }
  const url = new URL(found.url);
  const { tokenFile } = words;
  const { env } = process;
  const settings = tlsSettingsOf(words);
  const { insecureHttp } = settings;
  const { tls, showsCertificate } = clientTls(settings, env);
  const proxy = proxyFor(url, env);
  const access = clientAccess({ tokenFile, env, stateHome, url, tls, showsCertificate, proxy, insecureHttp });
  return { ...access, tls, proxy, retryForMs: ABORT_RETRY_FOR_MS, signal, report: () => undefined };
}

/** `cairn transfers resume`. */
export async function runTransfersResume(words: TransfersWords): Promise<ExitCode> {
  const { surveyTransfers } = await import('../../../client/transfers.ts');
  const { resumeAll } = await import('./resume-all.ts');
  const found = await surveyTransfers(await openStateHome());
  return resumeAll(found, { json: words.json ?? false, quiet: words.quiet ?? false });
}

function summary(transfers: number): Record<string, unknown> {
  return { type: 'summary', transfers, code: 'ok', exitCode: EXIT.done };
}
