/** What `cairn store copy` says: lines for people, objects for scripts. */
import { formatBytes } from '../../../base/byte-text.ts';
import type { CairnError, ErrorCode } from '../../../base/errors.ts';
import { printable } from '../../../base/safe-path.ts';
import type { SessionRecord } from '../../../session/record.ts';
import type { CopyReport } from '../../../storage/copy/copy-report.ts';
import { print } from '../../process/output.ts';
import { jsonLine } from '../../report/json-line.ts';
import { formatCount } from '../../report/wording.ts';

const LINE_EVERY_MS = 5000;

/** What a copy did. */
export interface CopyTotals {
  /** Entries of a tree, or objects. */
  entries: number;
  bytesCopied: number;
  bytesThere: number;
  leftOut: number;
  sessionsLeft: number;
}

/** Tells a copy while it runs, and counts it. */
export interface CopyLines {
  readonly totals: CopyTotals;
  readonly report: CopyReport;
  /** An unfinished transfer that the target does not have. */
  sessionLeft(session: SessionRecord): void;
}

/** Makes them. @param unit what is counted, for people: `entries` or `objects` */
export function createCopyLines(isJson: boolean, unit: string): CopyLines {
  const totals: CopyTotals = { entries: 0, bytesCopied: 0, bytesThere: 0, leftOut: 0, sessionsLeft: 0 };
  let nextAtMs = performance.now() + LINE_EVERY_MS;
  const progress = (): void => {
    if (performance.now() < nextAtMs) return;
    nextAtMs = performance.now() + LINE_EVERY_MS;
    const { entries, bytesCopied, bytesThere } = totals;
    if (isJson) print(jsonLine({ type: 'progress', entries, bytesCopied, bytesThere }));
    else process.stderr.write(`cairn: copied ${sizesText(totals, unit)}\n`);
  };
  return {
    totals,
    report: {
      leftOut: (path, error) => {
        totals.leftOut += 1;
        tellLeftOut(path, error, isJson);
      },
      entries: (count) => {
        totals.entries += count;
        progress();
      },
      copied: (bytes) => {
        totals.bytesCopied += bytes;
        progress();
      },
      wasThere: (bytes) => {
        totals.bytesThere += bytes;
        progress();
      },
    },
    sessionLeft: (record) => {
      totals.sessionsLeft += 1;
      tellSession(record, isJson);
    },
  };
}

function tellLeftOut(path: string, { code, message }: CairnError, isJson: boolean): void {
  if (isJson) print(jsonLine({ type: 'left-out', path: `/${path}`, code, message }));
  else print(`left out: "/${printable(path)}": ${printable(message)}\n`);
}

function tellSession(
  { id, principal, target, state, pass: { direction } }: SessionRecord,
  isJson: boolean,
): void {
  if (isJson) {
    print(
      jsonLine({
        type: 'session-left',
        session: id,
        owner: principal,
        direction,
        target: `/${target}`,
        state,
      }),
    );
    return;
  }
  const what = `${direction} of "/${printable(target)}" by ${printable(principal)}`;
  print(`left behind: session ${printable(id)}, an unfinished ${what}: its client starts over\n`);
}

/** The last line. */
export function tellDone(
  totals: CopyTotals,
  how: {
    readonly isJson: boolean;
    readonly unit: string;
    readonly code: ErrorCode | 'ok';
    readonly exitCode: number;
  },
): void {
  const { isJson, unit, code, exitCode } = how;
  if (isJson) {
    print(jsonLine({ type: 'summary', unit, ...totals, code, exitCode }));
    return;
  }
  const left = totals.leftOut === 0 ? '' : `; ${formatCount(totals.leftOut)} were left out`;
  print(`copied and read back ${sizesText(totals, unit)}${left}\n`);
}

/** `1,234 entries, 5.0 GiB (1.2 GiB were there)`. */
function sizesText({ entries, bytesCopied, bytesThere }: CopyTotals, unit: string): string {
  const there = bytesThere === 0 ? '' : ` (${formatBytes(bytesThere)} were there)`;
  return `${formatCount(entries)} ${unit}, ${formatBytes(bytesCopied)}${there}`;
}
