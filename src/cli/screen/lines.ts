/** Events that are a line of their own, in every renderer for people. */
import type { TransferEvent } from '../../client/events.ts';
import { printable } from '../../base/safe-path.ts';
import { formatDuration } from './wording.ts';

/** `cairn: left out "a/b": permission denied`. */
export function warningLine(event: Extract<TransferEvent, { type: 'warning' }>): string {
  return `cairn: left out "${printable(event.path)}": ${printable(event.message)}`;
}

/** `cairn: waiting for the server (connection refused), next try in 2.0 s`. */
export function waitingLine(event: Extract<TransferEvent, { type: 'waiting' }>): string {
  return `cairn: waiting: ${printable(event.message)}; next try in ${formatDuration(event.delayMs)}`;
}

/** `cairn: the connection is back, going on (epoch 3)`. */
export function resumedLine(event: Extract<TransferEvent, { type: 'resumed' }>): string {
  return `cairn: going on where it stopped (epoch ${event.epoch})`;
}

/** `cairn: …`. */
export function noticeLine(event: Extract<TransferEvent, { type: 'notice' }>): string {
  return `cairn: ${printable(event.message)}`;
}
