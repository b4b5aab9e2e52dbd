/** A {@link SharedMemory} in Redis or Valkey. Every key has an end, and no secret is in any. */
import { createHash, randomBytes } from 'node:crypto';
import * as v from 'valibot';
import type { SharedMemory } from '../shared-memory.ts';
import type { RedisLink } from './redis-link.ts';
import { APPEND, COUNT, NOTE_VERSION } from './redis-scripts.ts';

/** So long a version counts as the newest. A node that dies between the store and Redis leaves an older one for this long. */
const VERSION_MS = 5000;
/** A text of the list counts until all nodes have seen in the store what it told. */
const LIST_MS = 180_000;
const MAX_LIST = 4096;
/** A longer message of the bell is none of a node. */
const MAX_MESSAGE_CHARACTERS = 65_536;
const BEFORE_ALL = '0-0';

const Ringing = v.pipe(v.string(), v.parseJson(), v.object({ node: v.string(), keys: v.array(v.string()) }));
const Counted = v.tuple([v.number(), v.number()]);
/** The name of an entry: `MILLISECONDS-NUMBER`. */
const Name = v.pipe(v.string(), v.regex(/^[0-9]{1,15}-[0-9]{1,15}$/));
const Entry = v.tuple([Name, v.array(v.string())]);
const Appended = v.tuple([Name, v.array(Entry)]);

/**
 * Makes the memory of one node.
 *
 * @param storeId the same for all nodes of a store: several stores may share a Redis
 */
export function createRedisMemory(link: RedisLink, storeId: string): SharedMemory {
  const node = randomBytes(9).toString('base64url');
  // The braces keep all keys of a store on one node of a cluster.
  const prefix = `cairn:{${createHash('sha256').update(storeId).digest('hex').slice(0, 16)}}:`;
  const ask = async (script: string, key: string, words: readonly (string | number)[]): Promise<unknown> =>
    link.ask((client) => client.eval(script, 1, prefix + key, ...words));
  const bell = `${prefix}bell`;
  return {
    ring: async (keys) => {
      const message = JSON.stringify({ node, keys });
      await link.ask((client) => client.publish(bell, message));
    },
    listen: createListen((onRung) =>
      link.subscribe(bell, (text) => {
        const keys = text === undefined ? undefined : rungBy(text, node);
        if (text === undefined || keys !== undefined) onRung(keys);
      }),
    ),
    count: async (key, windowMs) => {
      const answer = v.safeParse(Counted, await ask(COUNT, `n:${key}`, [windowMs]));
      if (!answer.success) return undefined;
      const [count, leftMs] = answer.output;
      // A client is told to wait for so long: no Redis makes that longer than the window.
      return { count, leftMs: Math.min(Math.max(leftMs, 0), windowMs) };
    },
    noteVersion: async (key, version) => void (await ask(NOTE_VERSION, `v:${key}`, [version, VERSION_MS])),
    versionOf: async (key) => {
      const text = await link.ask((client) => client.get(`${prefix}v:${key}`));
      return typeof text === 'string' && /^[0-9]{1,15}$/.test(text) ? Number(text) : undefined;
    },
    append: createAppend((words) => ask(APPEND, 'list', words), node),
    get isThere() {
      return link.isThere;
    },
    asked: link.asked,
    close: () => link.close(),
  };
}

type OnRung = (keys: readonly string[] | undefined) => void;

/** Lets any number of listeners share one subscription, which lasts as long as there is one of them. */
function createListen(subscribe: (onRung: OnRung) => () => void): SharedMemory['listen'] {
  const listeners = new Set<{ readonly onRung: OnRung }>();
  let end: (() => void) | undefined;
  return (onRung) => {
    const listener = { onRung };
    listeners.add(listener);
    end ??= subscribe((keys) => {
      for (const each of listeners) each.onRung(keys);
    });
    return () => {
      listeners.delete(listener);
      if (listeners.size > 0) return;
      end?.();
      end = undefined;
    };
  };
}

/** The keys that another node has rung; undefined for what this node has, or nobody understands. */
function rungBy(text: string, self: string): readonly string[] | undefined {
  if (text.length > MAX_MESSAGE_CHARACTERS) return undefined;
  const parsed = v.safeParse(Ringing, text);
  return parsed.success && parsed.output.node !== self ? parsed.output.keys : undefined;
}

/** See `SharedMemory.append`; calls may overlap, and each text of others is answered once. */
function createAppend(
  ask: (words: readonly (string | number)[]) => Promise<unknown>,
  node: string,
): SharedMemory['append'] {
  const mark = `${node} `;
  let known = BEFORE_ALL;
  const appendAfter = async (
    from: string,
    text: string,
  ): Promise<v.InferOutput<typeof Appended> | undefined> => {
    const answer = v.safeParse(Appended, await ask([MAX_LIST, mark + text, LIST_MS, from]));
    return answer.success ? answer.output : undefined;
  };
  const append: SharedMemory['append'] = async (text) => {
    const from = known;
    const answer = await appendAfter(from, text);
    if (answer === undefined) return undefined;
    const [name, entries] = answer;
    if (!isLater(name, from)) {
      // No Redis gives a name that comes before all: what answers so would be asked without an end.
      if (from === BEFORE_ALL) return undefined;
      // It went back in time: what was known is of another list. The text stands there twice then.
      known = BEFORE_ALL;
      return append(text);
    }
    const fresh = entries.filter(([each]) => isLater(each, known));
    if (isLater(name, known)) known = name;
    return fresh.flatMap(([, [, entry = '']]) => (entry.startsWith(mark) ? [] : [withoutMark(entry)]));
  };
  return append;
}

function withoutMark(entry: string): string {
  return entry.slice(entry.indexOf(' ') + 1);
}

/** Whether one name of an entry comes after another. */
function isLater(name: string, other: string): boolean {
  const [ms = 0, number = 0] = name.split('-').map(Number);
  const [otherMs = 0, otherNumber = 0] = other.split('-').map(Number);
  return ms === otherMs ? number > otherNumber : ms > otherMs;
}
