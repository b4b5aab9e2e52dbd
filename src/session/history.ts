/** The life of a session in its record: what happened, when, why and by whom. */
import { isErrorCode, type ErrorCode } from '../base/errors.ts';
import type { SessionEvent } from './state.ts';

/** What can be remembered: the events that change a session's life, and what happens to its credentials. */
export const MOMENT_KINDS = [
  'established',
  'opened',
  'resumed',
  'renewed',
  'suspended',
  'unloaded',
  'fenced',
  'credential-reused',
  'committing',
  'reopened',
  'commit-failed',
  'committed',
  'aborted',
  'expired',
] as const;
/** One of {@link MOMENT_KINDS}. */
export type MomentKind = (typeof MOMENT_KINDS)[number];

/** Why something happened that was no error: who left, or who wanted it so. */
export const REASONS = ['client', 'idle', 'shutdown', 'lease-over', 'owner', 'administrator'] as const;
/** One of {@link REASONS}, or the code of the error that it was. */
export type MomentReason = (typeof REASONS)[number] | ErrorCode;

/** Whether `value` is a reason that is known here. */
export function isMomentReason(value: unknown): value is MomentReason {
  return isErrorCode(value) || REASONS.some((reason) => reason === value);
}

/** Who brought a moment about, and why. */
export interface MomentCause {
  /** Id of the authorization in whose name it was done; undefined where the server did it by itself. */
  readonly by?: string | undefined;
  /** Network address that it was asked from. */
  readonly from?: string | undefined;
  readonly why?: MomentReason | undefined;
}

/** One moment in the life of a session. `unloaded`: nobody asked for it, so nothing of it stays in memory. */
export interface Moment extends MomentCause {
  readonly atMs: number;
  readonly what: MomentKind;
  readonly epoch: number;
}

/** Moments that are kept: the first one, and as many of the last. */
export const MAX_MOMENTS = 32;

/** A history with one moment more; where it is full the oldest but the first goes. */
export function remember(history: readonly Moment[] | undefined, moment: Moment): readonly Moment[] {
  const longer = [...(history ?? []), moment];
  return longer.length <= MAX_MOMENTS ? longer : [longer[0]!, ...longer.slice(2)];
}

const KINDS: Readonly<Partial<Record<SessionEvent, MomentKind>>> = {
  opened: 'opened',
  suspend: 'suspended',
  resume: 'resumed',
  commit: 'committing',
  incomplete: 'reopened',
  published: 'committed',
  abort: 'aborted',
  expire: 'expired',
};

/** What an event is called in a history; undefined for those that happen all the time. */
export function kindOf(event: SessionEvent | undefined): MomentKind | undefined {
  return event === undefined ? undefined : KINDS[event];
}
