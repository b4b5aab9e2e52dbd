/**
 * The terminal as cli-progress draws on it. Its own one switches wrapping off, so that every line which stands between
 * the bars is cut, and stays so where the process is killed (its issue 142). Here wrapping is left alone: the bars are
 * narrower than the terminal, and what a smaller window has folded is counted when the cursor goes back.
 */
import { displayWidth } from '../report/width.ts';

/** What cli-progress calls, and a way to show the cursor by. */
export interface BarTerminal {
  cursor(isShown: boolean): void;
  /** Forgets what was drawn: another writer has written below it. */
  restart(): void;
  cursorTo(column: number | null, row: number | null): void;
  cursorRelativeReset(): void;
  clearRight(): void;
  clearLine(): void;
  clearBottom(): void;
  newline(): void;
  write(text: string, isRaw?: boolean): void;
  lineWrapping(isOn: boolean): void;
  isTTY(): boolean;
  getWidth(): number;
}

const CURSOR = { show: '\u001B[?25h', hide: '\u001B[?25l' };
const CLEAR_RIGHT = '\u001B[K';
const CLEAR_BELOW = '\u001B[J';

/** Signals that end a process at once, without its exit handlers. SIGINT, SIGTERM and SIGHUP are those of cairn. */
const ENDING = ['SIGQUIT', 'SIGABRT', 'SIGXCPU', 'SIGALRM', 'SIGUSR2'] as const;

/** Makes one; `columnsOf` tells the width as it is now. */
export function createBarTerminal(stream: NodeJS.WriteStream, columnsOf: () => number): BarTerminal {
  /** Columns of each line since the top one. */
  let lines = [0];
  /** Rows between the top and the cursor, which stands at the end of the last line. */
  const rowsBelowTop = (): number => {
    const columns = columnsOf();
    return lines.reduce((rows, width) => rows + Math.max(1, Math.ceil(width / columns)), 0) - 1;
  };
  return {
    cursor: (isShown) => void stream.write(isShown ? CURSOR.show : CURSOR.hide),
    restart: () => {
      lines = [0];
      stream.write('\n');
    },
    // Asked for only to begin a line.
    cursorTo: () => void stream.write('\r'),
    cursorRelativeReset: () => {
      const rows = rowsBelowTop();
      stream.write(rows === 0 ? '\r' : `\r\u001B[${rows}A`);
      lines = [0];
    },
    clearRight: () => void stream.write(CLEAR_RIGHT),
    clearLine: () => void stream.write(CLEAR_BELOW),
    clearBottom: () => void stream.write(CLEAR_BELOW),
    newline: () => {
      stream.write('\n');
      lines.push(0);
    },
    write: (text, isRaw = false) => {
      stream.write(text);
      // Lines that stay are above the bars.
      if (!isRaw) lines[lines.length - 1] = displayWidth(text);
    },
    lineWrapping: () => undefined,
    isTTY: () => true,
    getWidth: columnsOf,
  };
}

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
