/** What limits have refused, counted, and logged without filling the log. */
import type { CairnError } from '../base/errors.ts';
import type { Logger } from './server-context.ts';

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

/** The limit that an error of this side says it ran into; undefined for any other error. */
export function limitIn({ details }: CairnError): LimitName | undefined {
  return LIMIT_NAMES.find((name) => name === details['limit']);
}

/** Counts what limits refuse. */
export interface Refusals {
  /** Notes one refusal; `fields` go to the log, secrets never. */
  note(limit: LimitName, fields?: object): void;
  /** How often each limit has refused since the start. */
  readonly counts: ReadonlyMap<LimitName, number>;
}

/** A limit under attack refuses thousands of times a second: it is logged so often at most. */
const LOG_EVERY_MS = 10_000;

/** Makes the counter of one server; `onRefusal` is told of each. */
export function createRefusals(
  log: Logger,
  onRefusal: (limit: LimitName) => void = () => undefined,
  now: () => number = () => performance.now(),
): Refusals {
  const counts = new Map<LimitName, number>();
  const logged = new Map<LimitName, { atMs: number; count: number }>();
  return {
    counts,
    note: (limit, fields = {}) => {
      const count = (counts.get(limit) ?? 0) + 1;
      counts.set(limit, count);
      onRefusal(limit);
      const last = logged.get(limit) ?? { atMs: -Infinity, count: 0 };
      if (now() - last.atMs < LOG_EVERY_MS) return;
      logged.set(limit, { atMs: now(), count });
      log.warn({ ...fields, limit, refused: count - last.count }, 'a limit refused something');
    },
  };
}
