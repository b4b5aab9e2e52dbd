/** `cairn serve --check`: examines and repairs what a server keeps, while none runs. */
import { ERROR_TABLE, EXIT, type ErrorCode, type ExitCode } from '../../../base/errors.ts';
import type { CheckTotals, Finding } from '../../../server/core/check/findings.ts';
import {
  checkingLine,
  findingLine,
  findingObject,
  type PublishedTotals,
  totalsLine,
  totalsObject,
} from './check-report.ts';
import { print } from '../../process/output.ts';
import { jsonLine } from '../../report/json-line.ts';
import type { CheckedStores } from './checked-stores.ts';
import type { ServeValues } from './serve-command.ts';
import { serveSettingsOf, type ServeSettings } from './serve-settings.ts';

const LINE_EVERY_MS = 5000;

/** Checks the state of a server that does not run; answers what could not be repaired by its exit code. */
export async function runServeCheck(values: ServeValues): Promise<ExitCode> {
  const settings = serveSettingsOf(values);
  const isDryRun = values.dryRun;
  const stores = await openChecked(settings, isDryRun);
  try {
    const { totals, failure, published } = await check(stores, settings, isDryRun);
    const code = codeOf(totals, failure);
    const exitCode = code === 'ok' ? EXIT.done : ERROR_TABLE[code].exitCode;
    print(
      settings.json
        ? jsonLine({ ...totalsObject(totals, isDryRun), ...published, code, exitCode })
        : `${totalsLine(totals, isDryRun, published)}\n`,
    );
    return exitCode;
  } finally {
    await stores.close();
  }
}

async function openChecked(settings: ServeSettings, isDryRun: boolean): Promise<CheckedStores> {
  if ('store' in settings) return (await import('./checked-store.ts')).openCheckedStore(settings, isDryRun);
  return (await import('./checked-root.ts')).openCheckedRoot(settings, isDryRun);
}

interface Outcome {
  readonly totals: CheckTotals;
  /** What the storage said, where it did not let something be looked at. */
  readonly failure: ErrorCode | undefined;
  /** What was published, where that was looked at. */
  readonly published: PublishedTotals | undefined;
}

async function check(
  { content, sessions, incidents, now, examinePublished }: CheckedStores,
  { json }: Pick<ServeSettings, 'json'>,
  isDryRun: boolean,
): Promise<Outcome> {
  const [{ checkSessions }, { DEFAULT_CORE_LIMITS }] = await Promise.all([
    import('../../../server/core/check/check-sessions.ts'),
    import('../../../server/core/core-limits.ts'),
  ]);
  let failure: ErrorCode | undefined;
  const report = (finding: Finding): void => {
    failure ??= finding.code;
    print(json ? jsonLine(findingObject(finding, isDryRun)) : `${findingLine(finding, isDryRun)}\n`);
  };
  const onProgress = progressLines();
  const limits = DEFAULT_CORE_LIMITS;
  const options = { content, sessions, isDryRun, incidents, report, onProgress, now, limits };
  const totals = await checkSessions(options);
  const found = await examinePublished?.({
    find: (finding) => {
      totals.found[finding.outcome] += 1;
      report(finding);
    },
    onProgress: () => onProgress(totals),
  });
  const published = found && { entries: found.entries, objects: found.objects };
  return { totals, failure, published };
}

/** A line every few seconds: a check reads every staged byte, which may take long. */
function progressLines(): (totals: Readonly<CheckTotals>) => void {
  let nextAt = performance.now() + LINE_EVERY_MS;
  return (totals) => {
    if (performance.now() < nextAt) return;
    nextAt = performance.now() + LINE_EVERY_MS;
    process.stderr.write(`${checkingLine(totals)}\n`);
  };
}

function codeOf({ found }: CheckTotals, failure: ErrorCode | undefined): ErrorCode | 'ok' {
  if (found.failed > 0) return failure === undefined || !isStorage(failure) ? 'storage-io' : failure;
  return found.lost + found.untouched > 0 ? 'verify-failed' : 'ok';
}

function isStorage(code: ErrorCode): boolean {
  return ERROR_TABLE[code].exitCode === EXIT.storage;
}
