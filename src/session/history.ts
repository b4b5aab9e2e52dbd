/** The history of a session in its record: each event with its time, cause and reason. */
import { isErrorCode, type ErrorCode } from '../base/errors.ts';
import type { SessionEvent } from './state.ts';

/** The kinds of moments: events that change the state of a session, and events of its credentials. */
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

/** Reasons that are no errors. */
export const REASONS = ['client', 'idle', 'shutdown', 'lease-over', 'owner', 'administrator'] as const;
/** One of {@link REASONS}, or the code of an error. */
export type MomentReason = (typeof REASONS)[number] | ErrorCode;

/** Whether `value` is a known reason. */
export function isMomentReason(value: unknown): value is MomentReason {
  return isErrorCode(value) || REASONS.some((reason) => reason === value);
}

/** The cause of a moment. */
export interface MomentCause {
  /** Id of the authorization behind it; undefined where the server acted by itself. */
  readonly by?: string | undefined;
  /** Network address of the client that asked for it. */
  readonly from?: string | undefined;
  readonly why?: MomentReason | undefined;
}

/** One moment in the life of a session. `unloaded`: it had no requests, so the server removed it from memory. */
export interface Moment extends MomentCause {
  readonly atMs: number;
  readonly what: MomentKind;
  readonly epoch: number;
}

/** Most moments in a history: the first one, and the latest. */
export const MAX_MOMENTS = 32;

/** A history with one moment more; where it is full it loses the second. */
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

/** The kind of an event in a history; undefined for frequent events, which have none. */
export function kindOf(event: SessionEvent | undefined): MomentKind | undefined {
  return event === undefined ? undefined : KINDS[event];
}
