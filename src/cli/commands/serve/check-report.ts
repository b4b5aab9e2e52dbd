/** What `cairn serve --check` says: lines for people, objects for scripts. */
import { printable } from '../../../base/safe-path.ts';
import type { CheckTotals, Finding, FindingOutcome } from '../../../server/core/check/findings.ts';
import { formatBytes } from '../../../base/byte-text.ts';
import { formatCount, formatEntries } from '../../report/wording.ts';

const DONE: Readonly<Record<FindingOutcome, string>> = {
  repaired: 'repaired',
  lost: 'not repairable',
  untouched: 'not repairable',
  failed: 'storage error',
  note: 'note',
};

/** `repaired: session Kx3… of "/photos": its journal ends in a write that was cut (17 bytes): cut off`. */
export function findingLine(finding: Finding, isDryRun: boolean): string {
  const { outcome, session, target, problem, remedy } = finding;
  const label = isDryRun && outcome === 'repaired' ? 'repairable' : DONE[outcome];
  const of = target === undefined ? '' : ` of "/${printable(target)}"`;
  const whose = session === undefined ? '' : `session ${printable(session)}${of}: `;
  return `${label}: ${whose}${printable(problem)}${remedyText(finding, isDryRun, printable(remedy))}`;
}

function remedyText({ outcome }: Finding, isDryRun: boolean, remedy: string): string {
  if (remedy === '') return '';
  const isToCome = outcome === 'note' || outcome === 'untouched';
  return `: ${isDryRun && !isToCome ? 'would be ' : ''}${remedy}`;
}

/** The same for scripts; `done`: whether the remedy was applied. */
export function findingObject(finding: Finding, isDryRun: boolean): Record<string, unknown> {
  const { kind, outcome, session = null, target = null, problem, remedy, code } = finding;
  const done = !isDryRun && (outcome === 'repaired' || outcome === 'lost');
  return {
    type: 'finding',
    kind,
    outcome,
    session,
    target,
    problem,
    remedy,
    done,
    ...(code === undefined ? {} : { code }),
  };
}

/** `cairn: checked 12 sessions, 3,400 chunks (1.2 GiB)`. */
export function checkingLine({ sessions, chunks, bytes }: Readonly<CheckTotals>): string {
  return `cairn: checked ${sessionsText(sessions)}, ${chunksText(chunks, bytes)}`;
}

/** What a check of a store of objects has looked at beside sessions. */
export interface PublishedTotals {
  readonly entries: number;
  readonly objects: number;
}

/** `2 sessions, 34 chunks (2.1 MiB) verified: 1 repaired, 0 not repairable`. */
export function totalsLine(
  { sessions, chunks, bytes, found }: CheckTotals,
  isDryRun: boolean,
  published?: PublishedTotals,
): string {
  const { repaired, lost, untouched, failed } = found;
  const entries =
    published === undefined
      ? ''
      : `${formatEntries(published.entries)} in ${formatCount(published.objects)} objects, `;
  const looked = `${entries}${sessionsText(sessions)}, ${chunksText(chunks, bytes)} verified`;
  if (repaired + lost + untouched + failed === 0) return `${looked}: everything is right`;
  const errors = failed === 0 ? '' : `, ${formatCount(failed)} storage errors`;
  const word = isDryRun ? 'repairable' : 'repaired';
  return `${looked}: ${formatCount(repaired)} ${word}, ${formatCount(lost + untouched)} not repairable${errors}`;
}

/** The last line for scripts, without `code` and `exitCode`. */
export function totalsObject(
  { sessions, chunks, bytes, found }: CheckTotals,
  isDryRun: boolean,
): Record<string, unknown> {
  const { repaired, lost, untouched, failed } = found;
  return {
    type: 'summary',
    sessions,
    chunksVerified: chunks,
    bytesVerified: bytes,
    repaired,
    notRepairable: lost + untouched,
    failed,
    dryRun: isDryRun,
  };
}

function sessionsText(count: number): string {
  return count === 1 ? '1 session' : `${formatCount(count)} sessions`;
}

function chunksText(count: number, bytes: number): string {
  return `${count === 1 ? '1 chunk' : `${formatCount(count)} chunks`} (${formatBytes(bytes)})`;
}
