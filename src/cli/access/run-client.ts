/** Runs the client's part of a command: screen, signals, token; for push and pull also the result. */
import { EXIT, type ExitCode } from '../../base/errors.ts';
import type { TransferSummary } from '../../client/api/events.ts';
import { proxyFor } from '../../client/http/proxy.ts';
import type { TransferOptions } from '../../client/api/options.ts';
import { clientTls } from './client-tls.ts';
import { clientAccess } from './client-token.ts';
import { interruptionLines, watchHangup, watchSignals } from '../process/interruption.ts';
import { printAside } from '../process/output.ts';
import type { Screen } from '../screen/screen.ts';
import { openScreen } from '../screen/open-screen.ts';
import { openStateHome } from './user-directories.ts';
import type { TransferSettings } from '../options/transfer-settings.ts';
import { isLoopbackHost } from '../../base/loopback.ts';

/** What has to be known to run something that talks to a server. */
export interface ClientPlan {
  readonly url: URL;
  readonly settings: TransferSettings;
  readonly resumeCommand: readonly string[];
}

/** What has to be known of a transfer to run it. */
export interface TransferPlan extends ClientPlan {
  /** What to do after an interruption, where nothing is kept to resume from. */
  readonly restartAdvice?: string;
}

/** Runs a push or a pull, shows it and its result, and answers the exit code. */
export async function runTransfer(
  plan: TransferPlan,
  work: (options: TransferOptions) => Promise<TransferSummary>,
): Promise<ExitCode> {
  let hasBegun = (): boolean => false;
  const onStart = (ask: () => boolean): void => void (hasBegun = ask);
  const linesAtSignal = (): readonly string[] => interruptionLines(plan, hasBegun());
  const { result: summary, screen } = await runClient(plan, linesAtSignal, (options) =>
    work({ ...options, onStart }),
  );
  const exitCode = summary.excluded > 0 ? EXIT.partial : EXIT.done;
  screen.summarize(summary, exitCode);
  return exitCode;
}

/** Of a command that leaves nothing half done. */
export const NO_LINES = (): readonly string[] => [];

/** Runs `work` with a screen, which is stopped whatever happens, and with the signals watched. */
export async function runClient<Result>(
  plan: ClientPlan,
  linesAtSignal: () => readonly string[],
  work: (options: TransferOptions) => Promise<Result>,
): Promise<{ result: Result; screen: Screen }> {
  const stateHome = await openStateHome();
  const outputs = { print: printAside, stderr: process.stderr, env: process.env };
  const screen = await openScreen(plan.settings, outputs);
  const interruption = watchSignals(() => linesAtSignal().forEach(screen.say));
  const letHangup = watchHangup(interruption);
  try {
    warnOfOpenLink(plan.url, screen);
    const result = await work(optionsOf(plan, stateHome, screen, interruption.signal));
    return { result, screen };
  } finally {
    letHangup();
    interruption.dispose();
    screen.stop();
  }
}

function optionsOf(
  { url, settings, resumeCommand }: ClientPlan,
  stateHome: string,
  screen: Screen,
  signal: AbortSignal,
): TransferOptions {
  const { parallel, chunkSizeBytes, digest, sync, bandwidth, compress } = settings;
  const { retryForMs, isPatient, checksum, preserveModes, chmod, forceReplace } = settings;
  const { dryRun, tokenFile } = settings;
  const { env } = process;
  const { tls, showsCertificate } = clientTls(settings.tls, env);
  const { insecureHttp } = settings.tls;
  const proxy = proxyFor(url, env);
  return {
    url,
    ...clientAccess({ tokenFile, env, stateHome, url, tls, showsCertificate, proxy, insecureHttp }),
    tls,
    proxy,
    stateHome,
    retryForMs,
    isPatient,
    signal,
    report: screen.report,
    resumeCommand,
    checksum,
    preserveModes,
    ...(chmod === undefined ? {} : { chmod }),
    forceReplace,
    dryRun,
    namesEntries: settings.verbose && !settings.quiet,
    ...(parallel === undefined ? {} : { parallel }),
    ...(chunkSizeBytes === undefined ? {} : { chunkSizeBytes }),
    ...(digest === undefined ? {} : { digest }),
    ...(sync === undefined ? {} : { sync }),
    ...(compress === undefined ? {} : { compress }),
    ...(bandwidth === undefined ? {} : { bandwidth: bandwidth.rateAt }),
  };
}

function warnOfOpenLink(url: URL, screen: Screen): void {
  if (url.protocol === 'https:' || isLoopbackHost(url.hostname)) return;
  const message = `the connection to ${url.origin} is not encrypted: others on the network can read the token and the files`;
  screen.report({ type: 'notice', message });
}
