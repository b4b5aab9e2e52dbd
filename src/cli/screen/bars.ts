/** Progress bars on a terminal: one for the whole, one for each large file that is under way. */
import { MultiBar } from 'cli-progress';
import { fileLine, overallLine } from './bar-lines.ts';
import { noticeLine, warningLine } from './lines.ts';
import type { Screen } from './screen.ts';
import { summaryLine } from './summary.ts';
import { createTally, type FileProgress, type Progress } from './tally.ts';

const FRAMES_PER_SECOND = 10;
/** More bars than rows corrupt the screen. */
const ROWS_LEFT_FREE = 2;
const MOST_FILE_BARS = 8;

/** What one bar draws; cli-progress only places it and moves the cursor. */
interface Payload {
  readonly draw: (columns: number) => string;
}

/** A screen of bars on `stream`, which has to be a terminal. */
export function createBarScreen(options: {
  stream: NodeJS.WriteStream;
  hasColor: boolean;
  dryRun: boolean;
}): Screen {
  const { stream, hasColor, dryRun } = options;
  const tally = createTally();
  const columns = (): number => Math.max(10, (stream.columns || 80) - 1);
  const bars = new MultiBar({
    stream,
    fps: FRAMES_PER_SECOND,
    hideCursor: true,
    clearOnComplete: true,
    linewrap: false,
    // The signals are cairn's: the first one only asks for a checkpoint.
    gracefulExit: false,
    forceRedraw: true,
    format: (_options, _params, payload: Payload) => payload.draw(columns()),
  });
  let running = true;
  const stop = (): void => {
    if (!running) return;
    running = false;
    process.off('exit', stop);
    // Lines that were said since the last frame would be lost.
    bars.update();
    bars.stop();
  };
  // Whatever ends the process, the cursor must not stay hidden.
  process.once('exit', stop);
  bars.create(1, 0, { draw: (width: number) => overallLine(tally.now(), width, hasColor) });
  const slots = createSlots(bars, stream, tally.now, hasColor);
  const say = (line: string): void => {
    if (running) bars.log(`${line}\n`);
    else stream.write(`${line}\n`);
  };
  return {
    report: (event) => {
      tally.add(event);
      if (event.type === 'warning') say(warningLine(event));
      else if (event.type === 'notice') say(noticeLine(event));
      else if (event.type === 'file') slots.show(event);
    },
    say,
    stop,
    summarize: (summary) => say(`cairn: ${summaryLine(summary, { dryRun })}`),
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
