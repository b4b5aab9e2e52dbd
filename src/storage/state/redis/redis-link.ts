/**
 * The connections to one Redis or Valkey. Every wait is bounded, nothing is queued while it is away, and its failures are lines
 * of the log, not errors of requests.
 */
import type { Redis, RedisOptions } from 'iovalkey';
import { atMost } from '../../../base/at-most.ts';
import { CairnError } from '../../../base/errors.ts';
import type { Logger } from '../../../base/logger.ts';
import { masked } from '../../../base/masked.ts';
import { repeatedly } from '../../../base/repeatedly.ts';
import type { AskedCounts } from '../shared-memory.ts';
import { createCircuitBreaker } from './circuit-breaker.ts';

/** Where a Redis is, and who asks it. */
export interface RedisPlace {
  readonly host: string;
  readonly port: number;
  readonly isTls: boolean;
  readonly database: number;
  readonly username: string | undefined;
  readonly password: string | undefined;
  /** Its URL for people, without user and password. */
  readonly shown: string;
}

/** One Redis. No function throws. */
export interface RedisLink {
  /** Asks it; undefined where it is left alone, answers an error, or none in time. */
  ask<Answer>(question: (client: Redis) => Promise<Answer>): Promise<Answer | undefined>;
  /** Calls `onMessage` with each message of a channel, and with undefined whenever it begins, or begins again, to listen. */
  subscribe(channel: string, onMessage: (text: string | undefined) => void): () => void;
  readonly isThere: boolean;
  readonly asked: AskedCounts;
  close(): void;
}

/** How long an answer may take. A request of a client waits for at most a few. */
const ANSWER_MS = 50;
const MAX_FAILURES = 3;
/** How long it is left alone after so many failures. */
const REST_MS = 1000;
/** A connection on which nothing comes for so long after a question is given up. */
const SILENCE_MS = 2000;
const CONNECT_MS = 2000;
const MAX_PAUSE_MS = 2000;
/** How often the connection that listens is looked at. */
const LOOK_MS = 5000;
/** Least time between two lines of the log about the same. */
const TELL_EVERY_MS = 60_000;
/** What Redis calls a user, a password or a right that is missing or wrong: the first word of its error. */
const DENIED = /^(?:NOAUTH|WRONGPASS|NOPERM)\b/;

/** The parts of a link. */
export interface LinkOptions {
  readonly log: Pick<Logger, 'info' | 'warn'>;
  /** Milliseconds since some moment; they only grow. */
  readonly now?: () => number;
  /** How long an answer may take. */
  readonly answerMs?: number;
}

/**
 * Connects to a Redis. One that is away is connected to later.
 *
 * @throws CairnError `config-invalid` where it refuses the user or the password
 */
export async function openRedisLink(
  place: RedisPlace,
  { log, now = () => performance.now(), answerMs = ANSWER_MS }: LinkOptions,
): Promise<RedisLink> {
  const { Redis: Client } = (await import('iovalkey')).default;
  const options = optionsOf(place, answerMs);
  const client = new Client(options);
  const breaker = createCircuitBreaker({ maxFailures: MAX_FAILURES, restMs: REST_MS, now });
  const asked = { answered: 0, failed: 0, skipped: 0 };
  const tell = tellSometimes(log, place.shown, now);
  client.on('error', tell.away);
  const ask: RedisLink['ask'] = async (question) => {
    if (!breaker.mayAsk()) {
      asked.skipped += 1;
      return undefined;
    }
    try {
      const answer = await question(client);
      asked.answered += 1;
      breaker.succeeded();
      tell.back();
      return answer;
    } catch (error) {
      asked.failed += 1;
      breaker.failed();
      tell.away(error);
      return undefined;
    }
  };
  const listeners = new Set<() => void>();
  try {
    await connect(client, place, tell.away);
  } catch (error) {
    client.disconnect();
    throw error;
  }
  return {
    ask,
    asked,
    get isThere() {
      return client.status === 'ready' && breaker.isClosed;
    },
    subscribe: (channel, onMessage) => {
      const listener = new Client(options);
      listener.on('error', tell.away);
      const end = listenOn(listener, channel, { onMessage, onFailure: tell.away });
      listeners.add(end);
      return () => {
        listeners.delete(end);
        end();
      };
    },
    close: () => {
      for (const end of listeners) end();
      client.disconnect();
    },
  };
}

function optionsOf(
  { host, port, isTls, database, username, password }: RedisPlace,
  answerMs: number,
): RedisOptions {
  return {
    host,
    port,
    // Its name may lead to an address of either kind.
    family: 0,
    db: database,
    ...(username === undefined ? {} : { username }),
    ...(password === undefined ? {} : { password }),
    ...(isTls ? { tls: {} } : {}),
    lazyConnect: true,
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    autoResubscribe: false,
    maxRetriesPerRequest: 0,
    commandTimeout: answerMs,
    connectTimeout: CONNECT_MS,
    socketTimeout: SILENCE_MS,
    keepAlive: 10_000,
    retryStrategy: (tries) =>
      Math.min(MAX_PAUSE_MS, 50 * 2 ** Math.min(tries, 6)) * (0.5 + Math.random() / 2),
    // A primary that became a replica takes no writes: the name may lead to the new one by now.
    reconnectOnError: (error) => error.message.startsWith('READONLY'),
  };
}

/** Waits for the first connection, which may fail: only what no later try would change is thrown. */
async function connect(
  client: Redis,
  { shown }: RedisPlace,
  onAway: (error: unknown) => void,
): Promise<void> {
  const denied = new Promise<never>((_, reject) => {
    client.on('error', (error: Error) => {
      if (!DENIED.test(error.message)) return;
      const message = `the Redis at ${shown} refuses its user or its password (${error.message}); set CAIRN_REDIS_PASSWORD, or CAIRN_REDIS to a URL with both`;
      // Without its cause, which has the words of the command: the password.
      reject(new CairnError('config-invalid', message));
    });
  });
  // Nobody waits for it once the start is over.
  denied.catch(() => undefined);
  const connected = client.connect().then(() => client.ping());
  await atMost(CONNECT_MS, Promise.race([denied, connected.catch(onAway)]));
}

interface Hearing {
  readonly onMessage: (text: string | undefined) => void;
  readonly onFailure: (error: unknown) => void;
}

/** Listens on a connection of its own, which comes back by itself. Answers what ends it. */
function listenOn(listener: Redis, channel: string, { onMessage, onFailure }: Hearing): () => void {
  let isListening = false;
  const begin = async (): Promise<void> => {
    isListening = false;
    await listener.subscribe(channel);
    isListening = true;
    onMessage(undefined);
  };
  listener.on('message', (_channel: string, text: string) => onMessage(text));
  listener.on('ready', () => void begin().catch(onFailure));
  listener.connect().catch(onFailure);
  // A connection that has died without a word is found out by a question; where nothing is listened to yet, that is tried again.
  const look = async (): Promise<void> => {
    if (listener.status === 'ready') await (isListening ? listener.ping() : begin());
  };
  const stopLooking = repeatedly(look, LOOK_MS, onFailure);
  return () => {
    stopLooking();
    listener.disconnect();
  };
}

/** Tells that it is away, and that it is back, at most once a minute each. */
function tellSometimes(
  log: Pick<Logger, 'info' | 'warn'>,
  redis: string,
  now: () => number,
): { away(error: unknown): void; back(): void } {
  let toldAtMs = -Infinity;
  let isToldAway = false;
  return {
    away: (error) => {
      if (now() - toldAtMs < TELL_EVERY_MS) return;
      toldAtMs = now();
      isToldAway = true;
      log.warn(
        // Not the error itself: it has the words of its command, which may be the password.
        { redis, reason: masked(error instanceof Error ? error.message : String(error)) },
        'Redis does not answer: this node goes on without it, and counts failed authentications by itself',
      );
    },
    back: () => {
      if (!isToldAway) return;
      isToldAway = false;
      log.info({ redis }, 'Redis answers');
    },
  };
}
