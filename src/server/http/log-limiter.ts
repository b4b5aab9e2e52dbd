/** A log for lines that strangers can cause: for each kind and address one line in ten seconds, then a count. */
import { addressKey } from '../../base/address-key.ts';
import type { Logger } from '../../base/logger.ts';

/** What a line is about: lines of the same kind and address stand for each other. */
export interface LineKind {
  readonly level: 'debug' | 'info' | 'warn' | 'error';
  /** The name of a limit, or the code of an error: one of few. */
  readonly kind: string;
  /** Network address that caused it; undefined where unknown. */
  readonly address?: string | undefined;
}

/** A log that no client can fill. */
export interface LimitedLog {
  /** Writes a line, or counts it as left out; `fields` never hold secrets. */
  note(of: LineKind, fields: object, message: string): void;
  /** Logs the counts of lines that were left out so far. */
  close(): void;
}

/** Least time between two lines of one kind and address. */
const EVERY_MS = 10_000;
/** Kinds and addresses with windows of their own at a time; beyond, one line stands for all addresses of a kind. */
const MAX_TOLD_APART = 128;

interface Window extends LineKind {
  readonly endsAtMs: number;
  readonly message: string;
  leftOut: number;
}

/** Makes the limited log of one server; `now` never goes back. */
export function createLimitedLog(log: Logger, now: () => number = () => performance.now()): LimitedLog {
  // Insertion order is the order in which they end: all are equally long.
  const windows = new Map<string, Window>();
  let timer: NodeJS.Timeout | undefined;
  const open = (key: string, of: LineKind, message: string): void => {
    windows.set(key, { ...of, message, endsAtMs: now() + EVERY_MS, leftOut: 0 });
    timer ??= setTimeout(sweep, EVERY_MS).unref();
  };
  const tell = ({ level, kind, address, message, leftOut }: Window): void =>
    log[level]({ kind, address, leftOut, of: message }, 'more of the same was left out');
  const sweep = (): void => {
    for (const [key, window] of windows) {
      if (window.endsAtMs > now()) break;
      windows.delete(key);
      if (window.leftOut === 0) continue;
      tell(window);
      open(key, window, window.message);
    }
    const [first] = windows.values();
    timer = first === undefined ? undefined : setTimeout(sweep, Math.max(1, first.endsAtMs - now())).unref();
  };
  return {
    note: (of, fields, message) => {
      const own = keyOf(of);
      const isToldApart = windows.has(own) || windows.size < MAX_TOLD_APART;
      const shared: LineKind = isToldApart ? of : { level: of.level, kind: of.kind, address: 'others' };
      const key = isToldApart ? own : keyOf(shared);
      const window = windows.get(key);
      if (window !== undefined) window.leftOut += 1;
      else {
        open(key, shared, message);
        log[of.level](fields, message);
      }
    },
    close: () => {
      clearTimeout(timer);
      for (const window of windows.values()) if (window.leftOut > 0) tell(window);
      windows.clear();
    },
  };
}

function keyOf({ level, kind, address }: LineKind): string {
  return `${level} ${kind} ${address === undefined ? '' : addressKey(address)}`;
}
