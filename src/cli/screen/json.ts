/** `--json`: one object per line on stdout; `progress`, `warning`, and a last `summary`. */
import { EXIT, type ExitCode } from '../../base/errors.ts';
import type { TransferEvent, TransferSummary } from '../../client/api/events.ts';
import { jsonLine } from '../report/json-line.ts';
import { noticeLine } from './lines.ts';
import type { Screen } from './screen.ts';
import { createTally, type Progress } from './tally.ts';

const PROGRESS_EVERY_MS = 500;

/** A screen of JSON lines; notices, for which there is no type of line, go to `say` unless they are unwanted. */
export function createJsonScreen(options: {
  write: (text: string) => void;
  say: (line: string) => void;
  showsProgress: boolean;
  showsNotices: boolean;
  now?: () => number;
}): Screen {
  const { write, say, showsProgress, showsNotices, now = () => performance.now() } = options;
  const tally = createTally(now);
  let nextAt = now();
  return {
    report: (event) => {
      tally.add(event);
      if (event.type === 'warning') {
        const { code, path, message } = event;
        write(jsonLine({ type: 'warning', code, path, message }));
      } else if (event.type === 'notice') {
        if (showsNotices) say(noticeLine(event));
      } else if (event.type === 'entry' || event.type === 'deleted' || event.type === 'would')
        write(jsonLine(event));
      else if (event.type === 'unselected') write(jsonLine(unselectedObject(event)));
      else if (showsProgress && now() >= nextAt) {
        nextAt = now() + PROGRESS_EVERY_MS;
        write(jsonLine(progressObject(tally.now())));
      }
    },
    say,
    stop: () => undefined,
    summarize: (summary, exitCode) => write(jsonLine(summaryObject(summary, exitCode))),
  };
}

/** Of a rule, also its pattern and where it stands. */
function unselectedObject({
  type,
  path,
  kind,
  reason,
}: Extract<TransferEvent, { type: 'unselected' }>): Record<string, unknown> {
  const { why } = reason;
  const rule = reason.why === 'rule' ? { pattern: reason.rule.pattern, from: reason.rule.from } : {};
  return { type, path, kind, why, ...rule };
}

function progressObject(progress: Progress): Record<string, unknown> {
  const {
    phase,
    entries,
    carried,
    moved,
    bytesTotal,
    bytesDone,
    bytesResumed,
    bytesSkipped,
    waiting,
    publishing,
  } = progress;
  return {
    type: 'progress',
    phase: phase ?? null,
    entries,
    filesDone: Math.min(moved, carried),
    filesTotal: carried,
    elapsedMs: Math.round(progress.elapsedMs),
    bytesDone,
    bytesTotal: bytesTotal ?? null,
    bytesResumed,
    bytesSkipped,
    bytesPerSecond: Math.round(progress.bytesPerSecond),
    etaMs: progress.etaMs === undefined ? null : Math.round(progress.etaMs),
    ...(waiting === undefined
      ? {}
      : {
          waiting: {
            code: waiting.code,
            message: waiting.message,
            delayMs: Math.round(waiting.delayMs),
            givesUpInMs: Math.round(waiting.leftMs),
          },
        }),
    ...(publishing === undefined ? {} : { publishing }),
  };
}

/** The last line of a transfer. */
function summaryObject(summary: TransferSummary, exitCode: ExitCode): Record<string, unknown> {
  const { direction, entries, bytesTotal, bytesMoved, deleted, ...rest } = summary;
  const moved = direction === 'push' ? { bytesSent: bytesMoved } : { bytesReceived: bytesMoved };
  return {
    type: 'summary',
    direction,
    entries,
    bytesTotal,
    ...moved,
    ...rest,
    ...(deleted === undefined
      ? {}
      : {
          entriesDeleted: deleted.entries,
          bytesDeleted: deleted.bytes,
          entriesNotDeleted: deleted.undeleted,
        }),
    code: deleted?.code ?? (exitCode === EXIT.partial ? 'partial' : 'ok'),
    exitCode,
  };
}
