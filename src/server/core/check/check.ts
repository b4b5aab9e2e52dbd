/** The types and reports that all parts of a check share. */
import { CairnError, ERROR_TABLE, EXIT } from '../../../base/errors.ts';
import type { SessionRecord } from '../../../session/record.ts';
import type { ContentStore } from '../../../storage/content-store.ts';
import type { StoreIncident } from '../../../storage/incident.ts';
import type { SessionStore } from '../../../storage/state/session-store.ts';
import type { CoreLimits } from '../core-limits.ts';
import type { CheckTotals, Finding, FindingKind, FindingOutcome } from './findings.ts';

/** What to check, and how. The caller owns the stores and gives them to no other user meanwhile. */
export interface CheckOptions {
  readonly content: ContentStore;
  readonly sessions: SessionStore;
  /** Changes nothing on the disk; the caller opens the stores with `upkeep: 'report'` where they have that. */
  readonly isDryRun: boolean;
  /** Incidents that the stores have reported so far; the check reports them in turn and empties the list. */
  readonly incidents: StoreIncident[];
  /** Called with each finding. */
  readonly report: (finding: Finding) => void;
  /** Called now and then with the totals so far; the same object each time. */
  readonly onProgress?: (totals: Readonly<CheckTotals>) => void;
  /** The clock, in milliseconds since 1970. */
  readonly now: () => number;
  readonly limits: Pick<CoreLimits, 'manifest' | 'keepEndedMs'>;
}

/** A check under way. */
export interface Check extends CheckOptions {
  readonly totals: CheckTotals;
}

/** The state of a document or a journal that makes its session useless. */
export interface Fault {
  readonly kind: FindingKind;
  readonly problem: string;
  /** `untouched` where a newer version of cairn may still read it. */
  readonly outcome: 'lost' | 'untouched';
}

/** Reports a finding about a session, or one that belongs to no session. */
export function find(
  { report, totals }: Check,
  record: { readonly id: string; readonly target?: string } | undefined,
  finding: Omit<Finding, 'session' | 'target'>,
): void {
  totals.found[finding.outcome] += 1;
  report({ ...finding, session: record?.id, target: record?.target });
}

/** Reports the incidents of the stores since the last call. */
export function findIncidents(check: Check, record?: SessionRecord): void {
  const { incidents, totals, report } = check;
  for (const { kind, session, problem, remedy } of incidents.splice(0)) {
    totals.found.repaired += 1;
    report({ kind, outcome: 'repaired', session, target: record?.target, problem, remedy });
  }
}

/** Reports that a session could not be checked. @throws errors that neither the storage nor its content explains */
export function findFailure(
  check: Check,
  record: { readonly id: string; readonly target?: string },
  error: unknown,
): void {
  if (!(error instanceof CairnError) || error.traits.exitCode === EXIT.bug) throw error;
  const { code, message } = error;
  const isNewer = code === 'journal-version';
  const isStorage = ERROR_TABLE[code].exitCode === EXIT.storage || code === 'server-busy';
  const outcome: FindingOutcome = isStorage ? 'failed' : 'untouched';
  find(check, record, {
    kind: isNewer ? 'journal-newer' : 'not-checked',
    outcome,
    problem: isNewer ? 'its journal was written by a newer cairn' : message,
    remedy: isNewer ? 'left as it is: use a newer cairn' : 'left as it is',
    ...(isStorage ? { code } : {}),
  });
}
