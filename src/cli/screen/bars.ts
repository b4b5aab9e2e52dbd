/** Progress bars on a terminal: one for the whole, one for each large file that is under way. */
import { MultiBar } from 'cli-progress';
import { fileLine, overallLine } from './bar-lines.ts';
import { createBarTerminal, showingCursor } from './bar-terminal.ts';
import {
  deletedLine,
  entryDoneLine,
  noticeLine,
  unselectedLine,
  warningLine,
  whyWaitingLine,
  summaryLine,
} from './lines.ts';
import type { Screen } from './screen.ts';
import { createTally, type FileProgress, type Progress } from './tally.ts';

const FRAMES_PER_SECOND = 10;
/** More bars than rows corrupt the screen. */
const ROWS_LEFT_FREE = 2;
const MOST_FILE_BARS = 8;

/** Room for what the terminal itself writes behind the last line, such as ^C. */
const ECHO_COLUMNS = 4;

function roomIn(columns: number): number {
  return columns > 40 ? columns - ECHO_COLUMNS : Math.max(1, columns - 1);
}

/** What one bar draws; cli-progress only places it and moves the cursor. */
interface Payload {
  readonly draw: (columns: number) => string;
}

/** A screen of bars on `stream`, which has to be a terminal. */
export function createBarScreen(options: { stream: NodeJS.WriteStream; hasColor: boolean }): Screen {
  const { stream, hasColor } = options;
  const tally = createTally();
  // Containers have terminals of no columns.
  const columns = (): number => stream.columns || 80;
  const terminal = createBarTerminal(stream, columns);
  const bars = new MultiBar({
    // The types know nothing of it.
    ...({ terminal } as object),
    stream,
    fps: FRAMES_PER_SECOND,
    hideCursor: true,
    clearOnComplete: true,
    linewrap: true,
    // The signals are cairn's: the first one only asks for a checkpoint.
    gracefulExit: false,
    forceRedraw: true,
    format: (_options, _params, payload: Payload) => payload.draw(roomIn(columns())),
  });
  let running = true;
  const cursor = showingCursor(terminal, () => stop());
  const redraw = (): void => {
    // Lines that the window has folded or uncovered are drawn again.
    terminal.cursorRelativeReset();
    terminal.clearBottom();
    bars.update();
  };
  const stop = (): void => {
    if (!running) return;
    running = false;
    stream.off('resize', redraw);
    cursor.dispose();
    // Lines that were said since the last frame would be lost.
    bars.update();
    bars.stop();
  };
  stream.on('resize', redraw);
  bars.create(1, 0, { draw: (width: number) => overallLine(tally.now(), width, hasColor) });
  const slots = createSlots(bars, stream, tally.now, hasColor);
  const say = (line: string): void => {
    if (running) bars.log(`${line}\n`);
    else stream.write(`${line}\n`);
  };
  return {
    report: (event) => {
      const isNewTrouble = event.type === 'waiting' && tally.now().waiting === undefined;
      tally.add(event);
      if (event.type === 'warning') say(warningLine(event));
      else if (event.type === 'notice') say(noticeLine(event));
      else if (event.type === 'entry') say(entryDoneLine(event));
      else if (event.type === 'unselected') say(unselectedLine(event));
      else if (event.type === 'deleted') say(deletedLine(event));
      else if (event.type === 'file') slots.show(event);
      else if (event.type === 'waiting' && isNewTrouble) say(whyWaitingLine(event));
    },
    say,
    stop,
    summarize: (summary) => say(`cairn: ${summaryLine(summary, { dryRun: false })}`),
  };
}

/** Bars for files. One that is done stays until its place is needed: bars that come and go make the screen jump. */
function createSlots(
  bars: MultiBar,
  stream: NodeJS.WriteStream,
  progress: () => Progress,
  hasColor: boolean,
): { show(file: FileProgress): void } {
  const slots: { file: FileProgress }[] = [];
  const most = Math.min(MOST_FILE_BARS, (stream.rows || 24) - ROWS_LEFT_FREE - 1);
  return {
    show: (file) => {
      const own = slots.find((slot) => slot.file.path === file.path);
      const free = own ?? slots.find((slot) => slot.file.doneBytes >= slot.file.sizeBytes);
      if (free !== undefined) {
        free.file = file;
      } else if (slots.length < most && progress().publishing === undefined) {
        const slot = { file };
        slots.push(slot);
        bars.create(1, 0, { draw: (width: number) => fileLine(slot.file, width, hasColor) });
      }
    },
  };
}
