/** The messages about sessions, tokens and the connection to a server: for administrators and their tools. */
import * as v from 'valibot';
import { SESSION_ID_PATTERN } from './messages.ts';
import { SESSION_STATES } from '../session/session-states.ts';

const count = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
/** A moment, in milliseconds since 1970. */
const time = count;
/** A word of a list that newer servers may extend. */
const word = v.pipe(v.string(), v.regex(/^[a-z0-9-]{1,64}$/));
const text = v.pipe(v.string(), v.maxLength(20_000));

/** One session, as its server shows it. Null stands for an unknown value. Nothing in it is secret. */
export const SessionSummary = v.object({
  session: v.pipe(v.string(), v.regex(SESSION_ID_PATTERN)),
  /** The principal that established it. */
  owner: text,
  direction: v.picklist(['push', 'pull']),
  /** Printable path below the server's root; empty for the root itself. */
  target: text,
  state: v.picklist(SESSION_STATES),
  epoch: count,
  resumes: count,
  createdAtMs: time,
  /** When a request last touched it, as far as the server knows. */
  touchedAtMs: time,
  leaseExpiresAtMs: time,
  bytesTotal: v.nullable(count),
  /** Bytes that the receiver has made durable; of a pull, bytes that the server has sent. */
  bytesDone: v.nullable(count),
  /** Known only while the server has the chunks in memory. */
  chunksTotal: v.nullable(count),
  chunksDone: v.nullable(count),
  /** Network addresses of its clients, the latest last. */
  addresses: v.array(text),
  lastError: v.nullable(v.object({ atMs: time, code: word, message: text })),
  /** The authorization that last established, resumed or renewed it. */
  authorization: v.nullable(v.object({ id: text, expiresAtMs: v.nullable(time) })),
  /** Whether the server has it in memory, and how many of its requests have no answer yet. */
  inMemory: v.boolean(),
  requests: count,
});
/** {@link SessionSummary} as a type. */
export type SessionSummary = v.InferOutput<typeof SessionSummary>;

/** The last line of `GET sessions`: the number of lines before it. A list without it was cut. */
export const SessionListEnd = v.object({ end: count });

/** A line of `GET sessions`. */
export const SessionListLine = v.union([SessionListEnd, SessionSummary]);

/** One moment in the life of a session; see `src/session/history.ts`. */
export const SessionMoment = v.object({
  atMs: time,
  what: word,
  epoch: count,
  by: v.optional(text),
  from: v.optional(text),
  why: v.optional(word),
});
/** {@link SessionMoment} as a type. */
export type SessionMoment = v.InferOutput<typeof SessionMoment>;

/** `GET sessions/{id}`: one session with its history, the first moment first. */
export const SessionDetails = v.object({
  ...SessionSummary.entries,
  chunkSizeBytes: count,
  parallel: count,
  digest: word,
  sync: v.nullable(word),
  history: v.array(SessionMoment),
});
/** {@link SessionDetails} as a type. */
export type SessionDetails = v.InferOutput<typeof SessionDetails>;

/** `GET whoami`: what the access token, grant or certificate of a request allows. */
export const WhoAmI = v.object({
  /** Id of the authorization, which is no secret. */
  id: text,
  principal: text,
  scopes: v.array(word),
  /** Printable path that the authorization is confined to; empty for everything. */
  path: text,
  expiresAtMs: v.nullable(time),
  quota: v.nullable(v.object({ bytes: v.nullable(count), sessions: v.nullable(count) })),
  nowMs: time,
  /** Free bytes where the server stores pushes; null where unknown, or where the client may not know. */
  freeBytes: v.nullable(count),
  /** Says which store the server has, so that a client can tell whether two answers come from servers of one store. */
  store: v.optional(text),
  /** Which of the servers that share the store has answered, and how many these are. */
  node: v.optional(text),
  nodes: v.optional(count),
});
/** {@link WhoAmI} as a type. */
export type WhoAmI = v.InferOutput<typeof WhoAmI>;

/** Most bytes of a probe's body: a chunk of the usual size, with its digest. */
export const MAX_PROBE_BYTES = 8 * 1024 * 1024 + 1024;
/** Longest silence that a probe may ask for, in milliseconds. */
export const MAX_PROBE_SILENCE_MS = 120_000;
/** Most pieces of the answer to a probe, and the longest time between two of them, in milliseconds. */
export const MAX_PROBE_PIECES = 32;
/** See {@link MAX_PROBE_PIECES}. */
export const MAX_PROBE_INTERVAL_MS = 2000;

/** Answer to `POST probe`: how many bytes of its body arrived, and when, in milliseconds after its headers. */
export const ProbeReply = v.object({
  bytes: count,
  /** `[milliseconds, bytes by then]`; some pieces may share an item. */
  arrivals: v.pipe(v.array(v.tuple([count, count])), v.maxLength(256)),
  /** Whether the body arrived with a Content-Length or in chunked coding; older servers do not say. */
  coding: v.optional(v.picklist(['length', 'chunked'])),
  /** Whether the last hop ends its connection to the server after the request; older servers do not say. */
  closes: v.optional(v.boolean()),
});
/** {@link ProbeReply} as a type. */
export type ProbeReply = v.InferOutput<typeof ProbeReply>;
