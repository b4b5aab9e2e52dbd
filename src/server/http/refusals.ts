/** Counts and logs what limits refuse. */
import type { CairnError } from '../../base/errors.ts';
import type { LimitedLog } from './log-limiter.ts';

/** The limits that refuse, by the names of their settings. */
const LIMIT_NAMES = [
  'failed-authentications',
  'connections',
  'connections-per-address',
  'headers-time',
  'header-size',
  'headers',
  'request-line',
  'body-idle',
  'body-rate',
  'json',
  'runs',
  'sessions',
  'staging',
  'free-disk',
] as const;
/** One of the limits that refuse. */
export type LimitName = (typeof LIMIT_NAMES)[number];

/** The limit that an error of this server names in its details; undefined for any other error. */
export function limitIn({ details }: CairnError): LimitName | undefined {
  return LIMIT_NAMES.find((name) => name === details['limit']);
}

/** Counts what limits refuse. */
export interface Refusals {
  /** Counts and logs one refusal; `fields` go to the log and must hold no secrets. */
  note(limit: LimitName, fields?: { readonly address?: string }): void;
  /** How often each limit has refused since the start. */
  readonly counts: ReadonlyMap<LimitName, number>;
}

/** Makes the counter of one server; it calls `onRefusal` for each refusal. */
export function createRefusals(
  log: LimitedLog,
  onRefusal: (limit: LimitName) => void = () => undefined,
): Refusals {
  const counts = new Map<LimitName, number>();
  return {
    counts,
    note: (limit, fields = {}) => {
      counts.set(limit, (counts.get(limit) ?? 0) + 1);
      onRefusal(limit);
      log.note(
        { level: 'warn', kind: limit, address: fields.address },
        { ...fields, limit },
        'a limit refused a request or a connection',
      );
    },
  };
}
