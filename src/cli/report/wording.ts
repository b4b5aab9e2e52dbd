/** Numbers and phases as people read them. */
import { formatBytes } from '../../base/byte-text.ts';
import type { Phase } from '../../client/api/events.ts';

/** What a transfer is busy with, for people. */
export const PHASE_WORDS: Readonly<Record<Phase, string>> = {
  scanning: 'scanning',
  comparing: 'comparing',
  transferring: 'transferring',
  committing: 'verifying and publishing',
};

/** `12.3/210 MiB`, or `512 KiB/210 MiB` where the units differ. */
export function formatBytesOf(bytes: number, total: number): string {
  const [part, whole] = [formatBytes(bytes), formatBytes(total)];
  const [digits, unit] = part.split(' ');
  return whole.endsWith(` ${unit}`) ? `${digits}/${whole}` : `${part}/${whole}`;
}

/** `12.3 MiB/s`. */
export function formatRate(bytesPerSecond: number): string {
  return `${formatBytes(bytesPerSecond)}/s`;
}

/** `850 ms`, `12.3 s`, `3m20s`, `2h05m`, `4d03h`. */
export function formatDuration(ms: number): string {
  if (ms < 999.5) return `${Math.max(0, Math.round(ms))} ms`;
  if (ms < 59_950) return `${(ms / 1000).toFixed(1)} s`;
  const seconds = Math.round(ms / 1000);
  const two = (value: number): string => String(value).padStart(2, '0');
  if (seconds < 3600) return `${Math.floor(seconds / 60)}m${two(seconds % 60)}s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 1440) return `${Math.floor(minutes / 60)}h${two(minutes % 60)}m`;
  return `${Math.floor(minutes / 1440)}d${two(Math.floor(minutes / 60) % 24)}h`;
}

/** `8 s`, `3m20s`: as {@link formatDuration}, in whole seconds, for what is counted up or down before one's eyes. */
export function formatClock(ms: number): string {
  return ms < 59_500 ? `${Math.round(ms / 1000)} s` : formatDuration(ms);
}

/** `1,234,567`. */
export function formatCount(count: number): string {
  const digits = String(count);
  const groups = [digits.slice(0, digits.length % 3)];
  for (let at = digits.length % 3; at < digits.length; at += 3) groups.push(digits.slice(at, at + 3));
  return groups.filter((group) => group !== '').join(',');
}

/** `1 entry`, `2,003 entries`. */
export function formatEntries(count: number): string {
  return count === 1 ? '1 entry' : `${formatCount(count)} entries`;
}
