/** What a transfer is drawn on. Renderers are swapped, never asked. */
import type { Report, TransferSummary } from '../../client/api/events.ts';
import type { ExitCode } from '../../base/errors.ts';

/** Draws the events of one transfer. */
export interface Screen {
  /** Takes every event. */
  readonly report: Report;
  /** Shows a line of its own, above what is drawn. */
  say(line: string): void;
  /** Ends drawing and leaves the terminal as it was; may be called more than once. */
  stop(): void;
  /** Shows the result, after `stop`. */
  summarize(summary: TransferSummary, exitCode: ExitCode): void;
}
