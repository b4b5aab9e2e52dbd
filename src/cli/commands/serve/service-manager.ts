/**
 * What `cairn serve` tells the service manager that started it: that it listens, reads again, ends, and still lives. This is
 * the protocol of sd_notify(3): datagrams of lines `NAME=value` to the socket that NOTIFY_SOCKET names. Nothing is told where
 * that variable is not set.
 */
import { constants } from 'node:os';
import { loadNative } from '../../../base/native.ts';
import { printable } from '../../../base/safe-path.ts';
import { isUnixAddress, type SendDatagram } from '../../../base/unix-datagram.ts';
import type { Logger } from '../../../base/logger.ts';

/** The service manager, or none. No call throws: a server also works without one. */
export interface ServiceManager {
  /** The server takes requests from now on. @param status what `systemctl status` shows of it, in one line */
  ready(status: string): void;
  /** Does `work`, and tells of its begin and end where the server is ready. It does not reject. */
  reload(work: () => Promise<void>): Promise<void>;
  /** The server has begun to end. */
  stopping(): void;
  /** Ends all messages, also those that the server lives. */
  close(): void;
}

type Environment = Readonly<Record<string, string | undefined>>;
type State = 'starting' | 'ready' | 'stopping';

const NONE: ServiceManager = {
  ready: () => undefined,
  reload: (work) => work(),
  stopping: () => undefined,
  close: () => undefined,
};

/** How long to wait with what the manager has no room for. */
const AGAIN_MS = 50;
const MICROSECONDS_IN_MS = 1000;

/** Opens the way to the manager that `environment` names; what is wrong with it is logged as a warning. */
export async function openServiceManager(
  environment: Environment,
  log: Pick<Logger, 'warn'>,
): Promise<ServiceManager> {
  const address = environment['NOTIFY_SOCKET'];
  if (address === undefined || address === '') return NONE;
  if (!isUnixAddress(address)) {
    const why = 'NOTIFY_SOCKET is neither a path nor the @name of an abstract socket';
    log.warn({ notifySocket: printable(address) }, `the service manager is not notified: ${why}`);
    return NONE;
  }
  const send = (await loadNative())?.sendDatagram;
  if (send === undefined) {
    const why = 'this cairn has no native calls (koffi is not installed): run it with Type=exec';
    log.warn({ notifySocket: printable(address) }, `the service manager is not notified: ${why}`);
    return NONE;
  }
  return createManager(createTeller(address, send, log), watchdogOf(environment));
}

function createManager(teller: Teller, watchdogMs: number | undefined): ServiceManager {
  let state: State = 'starting';
  let status = '';
  let watchdog: NodeJS.Timeout | undefined;
  return {
    ready: (text) => {
      state = 'ready';
      status = text.replaceAll('\n', ' ');
      teller.tell('READY=1', `STATUS=${status}`);
      if (watchdogMs === undefined) return;
      watchdog = setInterval(() => teller.tell('WATCHDOG=1'), watchdogMs).unref();
    },
    reload: async (work) => {
      if (state !== 'ready') return work();
      teller.tell('RELOADING=1', `MONOTONIC_USEC=${monotonicMicroseconds()}`, 'STATUS=reading again');
      await work();
      // The end may have begun meanwhile. A manager waits for this line after each RELOADING=1.
      if (state === 'ready') teller.tell('READY=1', `STATUS=${status}`);
    },
    stopping: () => {
      state = 'stopping';
      teller.tell('STOPPING=1', 'STATUS=finishing the running requests');
    },
    close: () => {
      clearInterval(watchdog);
      teller.close();
    },
  };
}

/** Sends messages one after the other. */
interface Teller {
  tell(...lines: readonly string[]): void;
  close(): void;
}

function createTeller(address: string, send: SendDatagram, log: Pick<Logger, 'warn'>): Teller {
  const waiting: Buffer[] = [];
  let timer: NodeJS.Timeout | undefined;
  let hasWarned = false;
  const flush = (): void => {
    timer = undefined;
    for (let next = waiting[0]; next !== undefined; next = waiting[0]) {
      try {
        send(address, next);
      } catch (error) {
        if (isWithoutRoom(error)) {
          timer = setTimeout(flush, AGAIN_MS).unref();
          return;
        }
        if (!hasWarned) log.warn({ err: error }, 'the service manager could not be notified');
        hasWarned = true;
      }
      waiting.shift();
    }
  };
  return {
    tell: (...lines) => {
      waiting.push(Buffer.from(lines.map((line) => `${line}\n`).join('')));
      if (timer === undefined) flush();
    },
    close: () => clearTimeout(timer),
  };
}

function isWithoutRoom(error: unknown): boolean {
  return (error as { errno?: unknown }).errno === -constants.errno.EAGAIN;
}

/** How often the manager wants to hear that the server lives, in milliseconds: twice in the time that it waits. */
function watchdogOf(environment: Environment): number | undefined {
  const forPid = environment['WATCHDOG_PID'];
  if (forPid !== undefined && forPid !== String(process.pid)) return undefined;
  const waitsMicroseconds = Number(environment['WATCHDOG_USEC'] ?? '');
  if (!Number.isSafeInteger(waitsMicroseconds) || waitsMicroseconds <= 0) return undefined;
  return Math.max(1, Math.floor(waitsMicroseconds / MICROSECONDS_IN_MS / 2));
}

/** The time of CLOCK_MONOTONIC, by which a manager tells an answer to its own request from an older one. */
function monotonicMicroseconds(): bigint {
  return process.hrtime.bigint() / 1000n;
}
