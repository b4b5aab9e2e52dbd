/** SIGINT, SIGTERM and a lost terminal: the first one asks for a checkpoint, the second one ends the process. */
import { isatty } from 'node:tty';
import { CairnError, EXIT, type ErrorCode } from '../../base/errors.ts';
import { shownCommand } from './own-command.ts';

/** The signals that end cairn in order, what they are called, and the exit code of a process that one ended. */
const SIGNALS = {
  SIGINT: { code: 'interrupted', exitCode: EXIT.interrupted },
  SIGTERM: { code: 'terminated', exitCode: EXIT.terminated },
  SIGHUP: { code: 'terminated', exitCode: EXIT.terminated },
} as const satisfies Partial<Record<NodeJS.Signals, { code: ErrorCode; exitCode: number }>>;

type EndingSignal = keyof typeof SIGNALS;

const NAMES = ['SIGINT', 'SIGTERM'] as const satisfies readonly EndingSignal[];

/** Watches the signals until it is disposed of. */
export interface Interruption {
  /** Aborted by the first signal; its reason is a CairnError `interrupted` or `terminated`. */
  readonly signal: AbortSignal;
  /** Does what a signal does, for a lost terminal. */
  hangUp(): void;
  /** Gives the signals back to the system. */
  dispose(): void;
}

/**
 * Starts to watch SIGINT and SIGTERM. A server outlives SIGHUP: see steadfast.ts of cairn serve.
 *
 * @param announce told once, at the first signal, in a turn of the event loop of its own
 */
export function watchSignals(announce: (name: EndingSignal) => void): Interruption {
  const controller = new AbortController();
  const handler = (name: NodeJS.Signals): void => {
    const { code } = SIGNALS[name as EndingSignal];
    if (controller.signal.aborted) endAtOnce(name as EndingSignal);
    announce(name as EndingSignal);
    controller.abort(new CairnError(code, code === 'interrupted' ? 'interrupted' : 'terminated'));
  };
  for (const name of NAMES) process.on(name, handler);
  const letOrphan = watchStarter(() => {
    if (!controller.signal.aborted) handler('SIGTERM');
  });
  return {
    signal: controller.signal,
    hangUp: () => handler('SIGHUP'),
    dispose: () => {
      letOrphan();
      for (const name of NAMES) process.off(name, handler);
    },
  };
}

/** Tells that the process has gone that started this one with a channel to itself. Answers how to stop watching. */
function watchStarter(onGone: () => void): () => void {
  process.once('disconnect', onGone);
  // It may have gone before.
  if (process.send !== undefined && !process.connected) setImmediate(onGone);
  return () => process.off('disconnect', onGone);
}

/** How a transfer goes on. */
interface Continuation {
  readonly resumeCommand: readonly string[];
  /** What to do instead, where nothing is kept to resume from. */
  readonly restartAdvice?: string;
}

/** What a transfer says at the first signal; where nothing was begun, nothing is kept, and there is nothing to resume. */
export function interruptionLines(
  { resumeCommand, restartAdvice }: Continuation,
  hasBegun: boolean,
): readonly string[] {
  if (!hasBegun) return ['cairn: interrupted'];
  if (restartAdvice !== undefined) return ['cairn: stopping (once more to stop at once)', restartAdvice];
  return [
    'cairn: stopping: writing a checkpoint (once more to stop at once)',
    `cairn: to resume, run: ${shownCommand(resumeCommand)}`,
  ];
}

/**
 * Lets a lost terminal end a run in order. One that has no terminal goes on: so nohup starts it, and Node undoes, before
 * any code runs, that SIGHUP is to be ignored. Answers how to stop watching.
 */
export function watchHangup({ hangUp }: Interruption): () => void {
  // Asked before it is gone.
  const hadTerminal = hasTerminal();
  const handler = (): void => {
    if (hadTerminal) hangUp();
  };
  process.on('SIGHUP', handler);
  return () => process.off('SIGHUP', handler);
}

/** Whether a standard stream is a terminal. */
function hasTerminal(): boolean {
  return [0, 1, 2].some((fd) => isatty(fd));
}

/** Lets a process without a terminal outlive SIGHUP from its start on, also one that only waits for others. */
export function outliveTerminal(): void {
  if (!hasTerminal()) process.on('SIGHUP', () => undefined);
}

/**
 * Ends the process by the signal itself, which a shell reports as 130 or 143 all the same. `process.exit` alone would
 * first wait for the thread pool, where a sync to a slow disk may take minutes.
 */
function endAtOnce(name: EndingSignal): never {
  const { exitCode } = SIGNALS[name];
  // What waits for the exit restores the terminal and removes temporary files.
  process.emit('exit', exitCode);
  process.removeAllListeners(name);
  process.kill(process.pid, name);
  // The first process of a container outlives a signal that it does not handle.
  process.exit(exitCode);
}
