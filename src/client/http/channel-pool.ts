/** Channels to one server: when one is opened, how many there may be, and when none is asked for any more. */
import type { AnswerPace } from '../api/reach.ts';
import type { Pace } from '../../base/body-reader.ts';
import { CairnError } from '../../base/errors.ts';
import { MessageChannel } from '../../base/message-channel.ts';
import { watchReader } from '../../base/unsent.ts';
import { CHANNEL_PROTOCOL } from '../../wire/message-head.ts';
import { ROUTE } from '../../wire/routes.ts';
import { isBeyondConnections } from './beyond-connections.ts';
import type { Connection, Switched } from './connection.ts';

/** Channels, each used for one request at a time. */
export interface ChannelPool {
  /** One that no other request uses; undefined where the usual way is to be taken. @throws the signal's reason */
  take(signal: AbortSignal | undefined): Promise<MessageChannel | undefined>;
  /** It is free again. */
  giveBack(channel: MessageChannel): void;
  /** It has carried an answer; false for one that ended before it did. */
  proved(channel: MessageChannel, isProved: boolean): void;
  /** Closes those that are idle, and answers how many that were. */
  closeIdle(): number;
  close(): void;
}

/** How a {@link ChannelPool} is made. */
export interface ChannelPoolOptions {
  readonly connection: Connection;
  /** The protocol root of the server. */
  readonly root: URL;
  readonly pace: Pace & AnswerPace;
  /** How long no channel is asked for after one was refused. */
  readonly pauseMs: number;
}

/** A proxy that knows nothing of upgrades may as well be silent. */
const UPGRADE_TIMEOUT_MS = 5000;
/** So often in a row there was no channel, or none that carried anything: then none is asked for any more. */
const MAX_REFUSALS = 4;

type Taker = (channel: MessageChannel | undefined) => void;

interface State extends ChannelPoolOptions {
  readonly idle: MessageChannel[];
  readonly open: Set<MessageChannel>;
  /** How many are being asked for. */
  asking: number;
  /** Channels that have carried an answer. */
  readonly proved: WeakSet<MessageChannel>;
  /** Who waits for one of those that are open, since there may be no more. */
  readonly takers: Set<Taker>;
  /** Channels in a row that were refused, or ended before they had carried an answer. */
  refusals: number;
  /** Until then no channel is asked for. */
  pausedUntilMs: number;
  isClosed: boolean;
}

/** Makes a pool; no channel is opened before it is needed. */
export function createChannelPool(options: ChannelPoolOptions): ChannelPool {
  const state: State = {
    ...options,
    idle: [],
    open: new Set(),
    asking: 0,
    proved: new WeakSet(),
    takers: new Set(),
    refusals: 0,
    pausedUntilMs: 0,
    isClosed: false,
  };
  return {
    take: (signal) => take(state, signal),
    giveBack: (channel) => {
      const taker = first(state.takers);
      if (taker === undefined) state.idle.push(channel);
      else taker(channel);
    },
    proved: (channel, isProved) => {
      if (isProved) {
        state.refusals = 0;
        state.proved.add(channel);
      } else if (!state.proved.has(channel)) state.refusals += 1;
    },
    closeIdle: () => {
      const closed = state.idle.splice(0);
      for (const channel of closed) channel.close();
      return closed.length;
    },
    close: () => {
      state.isClosed = true;
      for (const channel of state.open) channel.close();
      wakeAll(state);
    },
  };
}

function first<Item>(items: ReadonlySet<Item>): Item | undefined {
  for (const item of items) return item;
  return undefined;
}

async function take(state: State, signal: AbortSignal | undefined): Promise<MessageChannel | undefined> {
  signal?.throwIfAborted();
  for (let channel = state.idle.pop(); channel !== undefined; channel = state.idle.pop()) {
    if (!channel.isOver) return channel;
    channel.close();
  }
  const isPaused = performance.now() < state.pausedUntilMs;
  // The server has as many connections as it takes: these are shared.
  if (isPaused && state.refusals === 0 && hasSome(state)) return waitForOne(state, signal);
  if (isPaused || state.refusals >= MAX_REFUSALS) return undefined;
  state.asking += 1;
  try {
    const { socket, early } = await askForOne(state, signal);
    if (signal?.aborted === true || state.isClosed) {
      socket.on('error', () => undefined).destroy();
      throw new CairnError('network', 'the channels have been closed');
    }
    return opened(state, new MessageChannel(socket, early));
  } catch (error) {
    signal?.throwIfAborted();
    state.pausedUntilMs = performance.now() + state.pauseMs;
    // This one does not count any more.
    if (isBeyondConnections(error) && state.open.size + state.asking > 1) return waitForOne(state, signal);
    // Whatever it was, the usual way tells.
    state.refusals += 1;
    return undefined;
  } finally {
    state.asking -= 1;
    // Those that counted on this one, and on no other, go the usual way.
    if (!hasSome(state)) wakeAll(state);
  }
}

function hasSome({ open, asking }: State): boolean {
  return open.size + asking > 0;
}

/** Nothing is left that those who wait could be given. */
function wakeAll({ takers }: State): void {
  for (const taker of takers) taker(undefined);
}

async function askForOne(state: State, signal: AbortSignal | undefined): Promise<Switched> {
  const { connection, root } = state;
  const limit = new AbortController();
  const giveUp = (): void => limit.abort();
  const timer = setTimeout(giveUp, UPGRADE_TIMEOUT_MS);
  signal?.addEventListener('abort', giveUp, { once: true });
  try {
    const request = { method: 'GET', url: new URL(ROUTE.channel(), root), signal: limit.signal } as const;
    return await connection.upgrade(request, CHANNEL_PROTOCOL);
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener('abort', giveUp);
  }
}

/** The next that is free, or undefined where the last one has ended. */
function waitForOne({ takers }: State, signal: AbortSignal | undefined): Promise<MessageChannel | undefined> {
  return new Promise((resolve, reject) => {
    const leave = (): void => {
      takers.delete(taker);
      signal?.removeEventListener('abort', onAbort);
    };
    const taker: Taker = (channel) => {
      leave();
      resolve(channel);
    };
    const onAbort = (): void => {
      leave();
      reject(signal!.reason as Error);
    };
    takers.add(taker);
    signal?.addEventListener('abort', onAbort, { once: true });
  });
}

/** @throws CairnError `network` for one that ended before it was listened to: nothing would tell that a second time */
function opened(state: State, channel: MessageChannel): MessageChannel {
  const { socket } = channel;
  const { origin } = state.root;
  if (channel.isOver) {
    channel.close();
    throw new CairnError('network', `${origin} has closed a channel as it was opened`);
  }
  const { idleMs, minRate } = state.pace;
  state.open.add(channel);
  socket.on('timeout', () => {
    // What does not read is this side, which has its own reasons.
    if (socket.isPaused()) socket.setTimeout(idleMs);
    else channel.destroy(new CairnError('timeout', `${origin} has been silent for ${idleMs / 1000} seconds`));
  });
  const unwatch = watchReader(socket, state.pace, () =>
    channel.destroy(new CairnError('timeout', `${origin} takes less than ${minRate} bytes a second`)),
  );
  socket.once('close', () => {
    unwatch();
    state.open.delete(channel);
    // One less is open: one of those that wait may ask for another, by the usual way or as a channel. After the last one
    // nothing is to come for any of them.
    if (hasSome(state)) first(state.takers)?.(undefined);
    else wakeAll(state);
  });
  return channel;
}
