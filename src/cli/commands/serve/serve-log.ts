/** The log of `cairn serve`: one JSON object a line on standard error. */
import { constants, fstatSync, openSync } from 'node:fs';
import { createLimitedLog } from '../../../server/http/log-limiter.ts';
import { createLogSink, descriptorOf, type LogSink } from './log-sink.ts';
import type { ServeSettings } from './serve-settings.ts';

/** An open log. */
export type Log = Awaited<ReturnType<typeof openLog>>['log'];

/**
 * Opens the log. What cannot be written is lost and counted, and neither stops nor ends the server; what Node itself
 * warns of is a line, too.
 */
export async function openLog({ logLevel }: Pick<ServeSettings, 'logLevel'>) {
  // The default export: bundled CommonJS has no named ones for import().
  const { default: pino } = await import('pino');
  // On a terminal the lines for people are enough, unless more was asked for.
  const level = logLevel ?? (process.stderr.isTTY ? 'warn' : 'info');
  const base = { pid: process.pid };
  const sink: LogSink = createLogSink(descriptorOf(openStandardError()), (count) => {
    const fields = { level: pino.levels.values['warn'], time: Date.now(), ...base, lost: count };
    return `${JSON.stringify({ ...fields, msg: 'log lines were lost: they could not be written' })}\n`;
  });
  const log = pino({ level, base }, sink);
  const limited = createLimitedLog(log);
  const onWarning = (warning: Error & { code?: string }): void => {
    const kind = `${warning.name} ${warning.code ?? ''}`.slice(0, 100);
    limited.note({ level: 'warn', kind }, { err: warning }, 'Node.js warns');
  };
  const ofNode = process.listeners('warning');
  process.removeAllListeners('warning');
  process.on('warning', onWarning);
  process.on('exit', sink.flushSync);
  return {
    log,
    /** Writes what waits, and gives Node's warnings back. */
    close: async (): Promise<void> => {
      limited.close();
      process.off('warning', onWarning);
      for (const listener of ofNode) process.on('warning', listener);
      await sink.flush();
    },
  };
}

/** A descriptor of standard error that does not wait for its reader. */
function openStandardError(): number {
  const kind = fstatSync(2);
  if (kind.isFIFO() || kind.isCharacterDevice()) {
    try {
      // A description of its own: to change that of the shell would change it for every process that has it.
      return openSync('/dev/fd/2', constants.O_WRONLY | constants.O_NONBLOCK | constants.O_NOCTTY);
    } catch {
      // It belongs to another user, or there is no /proc.
    }
  }
  // Node makes pipes and sockets non-blocking when it opens its own stream over them.
  void process.stderr;
  return 2;
}
