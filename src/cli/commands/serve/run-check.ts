/** `cairn serve --check`: examines and repairs what a server keeps, while none runs. */
import { ERROR_TABLE, EXIT, type ErrorCode, type ExitCode } from '../../../base/errors.ts';
import type { CheckTotals, Finding } from '../../../server/core/check/findings.ts';
import type { StoreIncident, Upkeep } from '../../../storage/incident.ts';
import { checkingLine, findingLine, findingObject, totalsLine, totalsObject } from './check-report.ts';
import { print } from '../../process/output.ts';
import { jsonLine } from '../../report/json-line.ts';
import { recordsOf, refuseUnserved, usableRoot } from '../../access/served-directories.ts';
import type { ServeValues } from './serve-command.ts';
import { lockServed } from '../../access/served-locks.ts';
import { checkSettingsOf, type RootSettings } from './serve-settings.ts';

const LINE_EVERY_MS = 5000;

/** Checks the state of a server that does not run; answers what could not be repaired by its exit code. */
export async function runServeCheck(values: ServeValues): Promise<ExitCode> {
  const wanted = checkSettingsOf(values);
  const settings = { ...wanted, root: await usableRoot(wanted.root) };
  const isDryRun = values.dryRun;
  // Without its records every staging area would seem to have no owner, and be freed.
  await refuseUnserved(settings);
  const locks = await lockServed(settings);
  try {
    const { totals, failure } = await check(settings, isDryRun);
    const code = codeOf(totals, failure);
    const exitCode = code === 'ok' ? EXIT.done : ERROR_TABLE[code].exitCode;
    print(
      settings.json
        ? jsonLine({ ...totalsObject(totals, isDryRun), code, exitCode })
        : `${totalsLine(totals, isDryRun)}\n`,
    );
    return exitCode;
  } finally {
    await locks.release();
  }
}

interface Outcome {
  readonly totals: CheckTotals;
  /** What the storage said, where it did not let something be looked at. */
  readonly failure: ErrorCode | undefined;
}

async function check({ root, state, json }: RootSettings, isDryRun: boolean): Promise<Outcome> {
  const [{ checkSessions }, { DEFAULT_CORE_LIMITS }, { openLocalDisk }, { openLocalSessionStore }] =
    await Promise.all([
      import('../../../server/core/check/check-sessions.ts'),
      import('../../../server/core/core-limits.ts'),
      import('../../../storage/disk/local-disk.ts'),
      import('../../../storage/state/local-session-store.ts'),
    ]);
  const incidents: StoreIncident[] = [];
  const upkeep: Upkeep = isDryRun ? 'report' : 'thorough';
  const care = { upkeep, onIncident: (incident: StoreIncident) => void incidents.push(incident) };
  const sessions = await openLocalSessionStore(recordsOf(state), care);
  const content = await openLocalDisk(root, care);
  let failure: ErrorCode | undefined;
  const report = (finding: Finding): void => {
    failure ??= finding.code;
    print(json ? jsonLine(findingObject(finding, isDryRun)) : `${findingLine(finding, isDryRun)}\n`);
  };
  try {
    const totals = await checkSessions({
      content,
      sessions,
      isDryRun,
      incidents,
      report,
      onProgress: progressLines(),
      now: Date.now,
      limits: DEFAULT_CORE_LIMITS,
    });
    return { totals, failure };
  } finally {
    await content.close();
  }
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
