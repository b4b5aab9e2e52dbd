/** Runs the client's part of a command: screen, signals, token; for push and pull also the result. */
import { EXIT, type ExitCode } from '../../base/errors.ts';
import { isLoopbackHost } from '../../base/loopback.ts';
import type { TransferSummary } from '../../client/api/events.ts';
import type { TransferOptions } from '../../client/api/options.ts';
import type { ReachOptions } from '../../client/api/reach.ts';
import { proxyFor } from '../../client/http/proxy.ts';
import { USUAL_RETRY_FOR_MS, type AccessValues, type RetryFor } from '../options/client-options.ts';
import { transferOptionsOf, type TransferValues } from '../options/transfer-options.ts';
import { compiledHome } from '../process/compiled-home.ts';
import { interruptionLines, watchHangup, watchSignals } from '../process/interruption.ts';
import { printAside } from '../process/output.ts';
import { openScreen, type ScreenWishes } from '../screen/open-screen.ts';
import type { Screen } from '../screen/screen.ts';
import { checkTls, clientTls } from './client-tls.ts';
import { clientAccess } from './client-token.ts';
import { openStateHome } from './user-directories.ts';

/** One run of a client: the server, the values of its options, and how it is run again. */
export interface ClientJob {
  readonly url: URL;
  readonly values: AccessValues & Partial<ScreenWishes> & { readonly retryFor?: RetryFor };
  readonly resumeCommand: readonly string[];
}

/** One run of a push or a pull. */
export interface TransferJob extends ClientJob {
  readonly values: TransferValues;
  /** What to do after an interruption, where nothing is kept to resume from. */
  readonly restartAdvice?: string;
}

/** What each client needs to know. */
export type ClientOptions = ReachOptions &
  Pick<TransferOptions, 'stateHome' | 'compiledHome' | 'resumeCommand'>;

/** Runs a push or a pull, shows it and its result, and answers the exit code. */
export async function runTransfer(
  job: TransferJob,
  work: (options: TransferOptions) => Promise<TransferSummary>,
): Promise<ExitCode> {
  let hasBegun = (): boolean => false;
  const onStart = (ask: () => boolean): void => void (hasBegun = ask);
  const linesAtSignal = (): readonly string[] => interruptionLines(job, hasBegun());
  const wishes = await transferOptionsOf(job.values);
  const { result: summary, screen } = await runClient(job, linesAtSignal, (options) =>
    work({ ...options, ...wishes, onStart }),
  );
  const isStrictlyLess = job.values.strictMetadata && (summary.unkept ?? 0) > 0;
  const isPartial = summary.excluded > 0 || (summary.deleted?.undeleted ?? 0) > 0 || isStrictlyLess;
  const exitCode = isPartial ? EXIT.partial : EXIT.done;
  screen.summarize(summary, exitCode);
  return exitCode;
}

/** Of a command that leaves nothing half done. */
export const NO_LINES = (): readonly string[] => [];

/** Runs `work` with a screen, which is stopped also after an error, and with the signals watched. */
export async function runClient<Result>(
  job: ClientJob,
  linesAtSignal: () => readonly string[],
  work: (options: ClientOptions) => Promise<Result>,
): Promise<{ result: Result; screen: Screen }> {
  checkTls(job.values);
  const stateHome = await openStateHome();
  const { json = false, quiet = false, progress = false, dryRun = false } = job.values;
  const outputs = { print: printAside, stderr: process.stderr, env: process.env };
  const screen = await openScreen({ json, quiet, progress, dryRun }, outputs);
  const interruption = watchSignals(() => linesAtSignal().forEach(screen.say));
  const letHangup = watchHangup(interruption);
  try {
    warnOfOpenLink(job.url, screen);
    const { retryFor = { ms: USUAL_RETRY_FOR_MS, isGiven: false }, ...access } = job.values;
    const result = await work({
      ...reachOf(job.url, access, stateHome),
      stateHome,
      compiledHome: compiledHome(process.env),
      retryForMs: retryFor.ms,
      isPatient: retryFor.isGiven,
      signal: interruption.signal,
      report: screen.report,
      resumeCommand: job.resumeCommand,
    });
    return { result, screen };
  } finally {
    letHangup();
    interruption.dispose();
    screen.stop();
  }
}

/** How a server is reached, and with which token. @throws CairnError `usage` */
export function reachOf(
  url: URL,
  values: AccessValues,
  stateHome: string,
): Pick<ReachOptions, 'url' | 'token' | 'guard' | 'tls' | 'proxy'> {
  const { env } = process;
  const { tokenFile, insecureHttp } = values;
  const { tls, showsCertificate } = clientTls(values, env);
  const proxy = proxyFor(url, env);
  const access = clientAccess({ tokenFile, env, stateHome, url, tls, showsCertificate, proxy, insecureHttp });
  return { url, ...access, tls, proxy };
}

function warnOfOpenLink(url: URL, screen: Screen): void {
  if (url.protocol === 'https:' || isLoopbackHost(url.hostname)) return;
  const message = `the connection to ${url.origin} is not encrypted: others on the network can read the token and the files`;
  screen.report({ type: 'notice', message });
}
