/** What the caller of a client says of the server and of the way to it. */
import type { Socket } from 'node:net';
import type { Report } from './events.ts';

/** A proxy to go through. */
export interface Proxy {
  /** `http:` or `https:` is how the proxy itself is spoken to; without credentials and path. */
  readonly url: URL;
  /** Value of the `Proxy-Authorization` header, a secret. */
  readonly authorization: string | undefined;
}

/** Bytes a second at a time of this machine; undefined for as many as there are. */
export type BandwidthRate = (when: Date) => number | undefined;

/** The least pace of answers. */
export interface AnswerPace {
  /** The headers have come so long after the request was sent. */
  readonly headersMs: number;
  /** Bytes a second, on average over `overMs` of waiting for them. */
  readonly minRate: number;
  readonly overMs: number;
}

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
  /** Asked whether the process at the other end may be spoken to; each may, where undefined. */
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
