/** Shows the cursor again on every way on which a process with bars can leave the terminal. */
import type { BarTerminal } from './bar-terminal.ts';

/** Signals that end a process at once, without its exit handlers. SIGINT, SIGTERM and SIGHUP are those of cairn. */
const ENDING = ['SIGQUIT', 'SIGABRT', 'SIGXCPU', 'SIGALRM', 'SIGUSR2'] as const;

/**
 * Watches until it is disposed of: the exit of the process, signals that end it, and those that stop it and let it go on.
 *
 * @param onEnd told before the process ends
 */
export function showingCursor(
  terminal: Pick<BarTerminal, 'cursor' | 'restart'>,
  onEnd: () => void,
): { dispose(): void } {
  const end = (name: NodeJS.Signals): void => {
    onEnd();
    process.kill(process.pid, name);
  };
  const pause = (): void => {
    terminal.cursor(true);
    // The handler stands in for what the system would have done.
    process.kill(process.pid, 'SIGSTOP');
  };
  const goOn = (): void => {
    terminal.restart();
    terminal.cursor(false);
  };
  process.once('exit', onEnd);
  for (const name of ENDING) process.once(name, end);
  process.on('SIGTSTP', pause);
  process.on('SIGCONT', goOn);
  return {
    dispose: () => {
      process.off('exit', onEnd);
      for (const name of ENDING) process.off(name, end);
      process.off('SIGTSTP', pause);
      process.off('SIGCONT', goOn);
    },
  };
}
