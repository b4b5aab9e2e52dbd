/** What the caller of a transfer decides. */
import type { Socket } from 'node:net';
import type { DigestAlgorithm } from '../manifest/digest.ts';
import type { ModeChange } from '../manifest/modes.ts';
import type { ChunkEncoding } from '../session/encoding.ts';
import type { SyncMode } from '../session/sync-mode.ts';
import type { Report } from './events.ts';
import type { AnswerPace } from './http/answer-pace.ts';
import type { BandwidthRate } from './http/bandwidth.ts';
import type { Proxy } from './http/proxy.ts';
import type { CompressMode } from './transfer/compression.ts';

/** PEM texts for https. */
export interface ClientTlsFiles {
  /** The only authorities that are trusted; the system's, where undefined. */
  readonly ca: string | undefined;
  /** The client's own certificate, for servers that ask for one, and its key: both or none. */
  readonly cert: string | undefined;
  readonly key: string | undefined;
}

/** Asked before each connection; answers the same object until something has changed. */
export type ClientTls = () => Promise<ClientTlsFiles>;

/**
 * Looks at each new socket before anything of this client's is sent on it; what it throws is why the socket is not used,
 * and it leaves the socket as it was.
 */
export type SocketGuard = (socket: Socket) => Promise<void>;

/** How to reach a server, and for how long to keep trying. */
export interface ReachOptions {
  /** The http(s) URL as the user gave it, without credentials. */
  readonly url: URL;
  /** The access token, or undefined for none; asked again after a 401. */
  readonly token: () => Promise<string | undefined>;
  /** Asked whether what is at the other end may be spoken to; everything may, where undefined. */
  readonly guard?: SocketGuard | undefined;
  /** What https is spoken with; Node's authorities and no client certificate, where undefined. */
  readonly tls?: ClientTls | undefined;
  /** The proxy on the way to the server. */
  readonly proxy?: Proxy | undefined;
  /** How fast chunks may move, all together; as fast as they can, where undefined. */
  readonly bandwidth?: BandwidthRate | undefined;
  /** Gives up after so long without any progress, in milliseconds. */
  readonly retryForMs: number;
  /**
   * Waits as long also for what hardly ever comes, because the user asked to wait: a host that does not exist, say, or a
   * server in place of another.
   */
  readonly isPatient?: boolean;
  /** Its reason is a CairnError `interrupted` or `terminated`. */
  readonly signal: AbortSignal;
  readonly report: Report;
  /** Milliseconds on a clock that never goes back. */
  readonly now?: () => number;
  /** In [0, 1), for the jitter of retries. */
  readonly random?: () => number;
  /** How slow answers may be; without, a minute for their headers and 64 bytes a second. */
  readonly pace?: AnswerPace;
  /** A connection on which no byte moves for so long is given up, in milliseconds (half a minute). */
  readonly silenceMs?: number;
}

/** Everything that a transfer wants to know. */
export interface TransferOptions extends ReachOptions {
  /** Directory for checkpoints. */
  readonly stateHome: string;
  /** Given, once at the start, how to ask whether something was begun: of a pipe, a session; of files, a checkpoint. */
  readonly onStart?: (hasBegun: () => boolean) => void;
  /** Arguments of the command that resumes this transfer; stored in its record. */
  readonly resumeCommand: readonly string[];
  /** Chunks on their way at a time; without it, as many as make more of the link. */
  readonly parallel?: number;
  readonly chunkSizeBytes?: number;
  readonly digest?: DigestAlgorithm;
  /** When the receiver makes sync points. A push asks the server for it; without, it is the server's choice. */
  readonly sync?: SyncMode;
  /** When chunks are compressed; without, while the line is so slow that it pays. */
  readonly compress?: CompressMode;
  /** What to offer for that, the better first; without, all that this runtime has. */
  readonly encodings?: readonly ChunkEncoding[];
  /** Files of the same size are compared by their digests, whatever their times say. */
  readonly checksum?: boolean;
  /** Modes are taken over whatever the umask of the receiver says. */
  readonly preserveModes?: boolean;
  /** What is made of modes on their way: the change, and the words for it. */
  readonly chmod?: { readonly words: readonly string[]; readonly change: ModeChange };
  /** Whether a directory gives way, with all that is in it, to an entry of another type. */
  readonly forceReplace?: boolean;
  /** Only finds out what would be moved. */
  readonly dryRun?: boolean;
  /** Whether each entry is to be reported by its name once it has crossed the wire. */
  readonly namesEntries?: boolean;
}

/** Most chunks on their way at a time, unless the caller wants a number. */
export const MAX_ADAPTIVE_PARALLEL = 48;
/** Files that are hashed at a time, and chunks of a stream on their way. */
export const DEFAULT_PARALLEL = 4;
/** Chunk size of files, in bytes. */
export const DEFAULT_CHUNK_SIZE_BYTES = 8 * 1024 * 1024;
/** Chunk size of streams, in bytes: what no sync point covers is kept in memory. */
export const DEFAULT_STREAM_CHUNK_SIZE_BYTES = 2 * 1024 * 1024;
