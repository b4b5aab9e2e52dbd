/** `cairn transfers`: this machine's checkpoints. */
import { EXIT, type ExitCode } from '../../base/errors.ts';
import { printable } from '../../base/safe-path.ts';
import type { ReachOptions } from '../../client/options.ts';
import type { TransferInfo } from '../../client/transfers.ts';
import { proxyFor } from '../../client/http/proxy.ts';
import { clientTls, tlsSettingsOf, type TlsWords } from '../client-tls.ts';
import { clientAccess } from '../client-token.ts';
import { watchSignals } from '../interruption.ts';
import { jsonLine } from '../screen/json-line.ts';
import { openStateHome } from '../state-home.ts';
import { transferObject, transferLines, transferTable } from '../transfer-table.ts';
import { usage } from '../words/usage.ts';
import { print } from '../output.ts';

/** Options of the subcommands. */
export interface TransfersWords extends TlsWords {
  readonly json?: boolean;
  readonly all?: boolean;
  readonly quiet?: boolean;
  /** Also tell the server. */
  readonly abort?: boolean;
  readonly tokenFile?: string;
}

/** Whoever throws a transfer away does not wait for its server. */
const ABORT_RETRY_FOR_MS = 5000;

/** `cairn transfers [list]`. */
export async function runTransfersList({ json }: TransfersWords): Promise<ExitCode> {
  const { listTransfers } = await import('../../client/transfers.ts');
  const transfers = await listTransfers(await openStateHome());
  const lines = json
    ? [...transfers.map((info) => jsonLine(transferObject(info))), jsonLine(summary(transfers.length))]
    : transferTable(transfers);
  print(lines.join(''));
  return EXIT.done;
}

/** `cairn transfers show ID`. */
export async function runTransfersShow(id: string, { json }: TransfersWords): Promise<ExitCode> {
  const { showTransfer } = await import('../../client/transfers.ts');
  const info = await showTransfer(await openStateHome(), id);
  const lines = json ? [jsonLine(transferObject(info)), jsonLine(summary(1))] : transferLines(info);
  print(lines.join(''));
  return EXIT.done;
}

/** `cairn transfers rm ID... | --all`. */
export async function runTransfersRm(ids: readonly string[], words: TransfersWords): Promise<ExitCode> {
  const { listTransfers, removeTransfer, showTransfer } = await import('../../client/transfers.ts');
  if (words.all ? ids.length > 0 : ids.length === 0) {
    throw usage('transfers rm takes the ids of transfers, or --all', 'cairn transfers rm --all');
  }
  const stateHome = await openStateHome();
  // One that is running is none to throw away; by its id it is refused, by --all it is passed over.
  const chosen = words.all
    ? (await listTransfers(stateHome)).filter((info) => !info.locked)
    : await Promise.all(ids.map((id) => showTransfer(stateHome, id)));
  const interruption = watchSignals(() => undefined);
  try {
    for (const info of chosen) {
      const reach = reachOf(info, words, stateHome, interruption.signal);
      // oxlint-disable-next-line no-await-in-loop -- the first that is refused stops the rest
      await removeTransfer(stateHome, info.id, words.abort ? { abort: reach } : {});
      if (!words.json) print(`removed ${info.id.slice(0, 8)} (${printable(info.url)})\n`);
    }
  } finally {
    interruption.dispose();
  }
  if (words.json) print(jsonLine(summary(chosen.length)));
  return EXIT.done;
}

/** How to reach the server of a transfer that is to be forgotten. */
function reachOf(
  info: TransferInfo,
  words: TransfersWords,
  stateHome: string,
  signal: AbortSignal,
): Omit<ReachOptions, 'url'> {
  const url = new URL(info.url);
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
  const { listTransfers } = await import('../../client/transfers.ts');
  const { resumeAll } = await import('../resume-all.ts');
  const transfers = await listTransfers(await openStateHome());
  return resumeAll(transfers, { json: words.json ?? false, quiet: words.quiet ?? false });
}

function summary(transfers: number): Record<string, unknown> {
  return { type: 'summary', transfers, code: 'ok', exitCode: EXIT.done };
}
