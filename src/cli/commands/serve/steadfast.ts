/** What does not end `cairn serve`: signals that mean nothing to it, and faults in its own code. */
import type { Logger } from '../../../base/logger.ts';

/** Signals that end a process unless it says otherwise, and with which no user means to end a server. */
const HARMLESS = [
  'SIGHUP',
  'SIGUSR1',
  'SIGUSR2',
  'SIGALRM',
  'SIGVTALRM',
  'SIGPROF',
  'SIGIO',
  'SIGPWR',
  'SIGXCPU',
  'SIGXFSZ',
  'SIGSTKFLT',
] as const satisfies readonly NodeJS.Signals[];
/** A fault that comes again and again is told so often at most. */
const LOG_EVERY_MS = 10_000;

/**
 * Stands until the returned function is called.
 *
 * - The signals in the list above end nothing: log rotation sends SIGUSR1, at which Node would open its debugger to every user of the
 *   machine, and a terminal that is closed sends SIGHUP (with TLS that also has the certificate read again: run-serve.ts).
 * - An error that no code caught is logged as a bug. Its request is lost; nothing durable rests on what it left. To end the
 *   process would end the transfers of all other clients, as often as one client can cause the error.
 */
export function standFast(log: Pick<Logger, 'debug' | 'error'>): () => void {
  const stopHearing = hearSignals(log);
  const stopCatching = catchFaults(log);
  return () => {
    stopHearing();
    stopCatching();
  };
}

function hearSignals(log: Pick<Logger, 'debug'>): () => void {
  const onSignal = (name: NodeJS.Signals): void =>
    log.debug({ signal: name }, 'the signal does not end the server');
  // The profiler of V8 has a handler of its own there, which takes the samples.
  const heard = isProfiled() ? HARMLESS.filter((name) => name !== 'SIGPROF') : HARMLESS;
  for (const name of heard) process.on(name, onSignal);
  return () => {
    for (const name of heard) process.off(name, onSignal);
  };
}

/** Whether the user asked Node to profile this process (`--cpu-prof`, `--prof`). */
function isProfiled(): boolean {
  const { NODE_OPTIONS = '' } = process.env;
  return [...process.execArgv, ...NODE_OPTIONS.split(/\s/)].some((word) => /^--(cpu-)?prof\b/.test(word));
}

/** Rejections without a handler come here, too. */
function catchFaults(log: Pick<Logger, 'error'>): () => void {
  let loggedAtMs = -Infinity;
  let since = 0;
  const onFault = (error: unknown): void => {
    since += 1;
    if (performance.now() - loggedAtMs < LOG_EVERY_MS) return;
    loggedAtMs = performance.now();
    log.error({ err: error, faults: since }, 'this is a bug in cairn, please report it; the server goes on');
    since = 0;
  };
  const before = process.listeners('uncaughtException');
  process.removeAllListeners('uncaughtException');
  process.on('uncaughtException', onFault);
  return () => {
    process.off('uncaughtException', onFault);
    for (const listener of before) process.on('uncaughtException', listener);
  };
}
