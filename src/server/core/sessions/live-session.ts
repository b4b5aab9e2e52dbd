/**
 * A session in memory: its record, its open content, and its requests in flight. All of it may be lost at any moment;
 * the stores have everything that a client was promised.
 */
import { atMost } from '../../../base/at-most.ts';
import { createMutex } from '../../../base/mutex.ts';
import { storageError, type CairnError, type ErrorCode } from '../../../base/errors.ts';
import type { Logger } from '../../../base/logger.ts';
import { printable } from '../../../base/safe-path.ts';
import type { SessionFailure, SessionRecord } from '../../../session/record.ts';
import { fencedBy, type LiveRecord } from './live-record.ts';
import type { SessionContent } from './session-content.ts';

/** A request of a session that is not answered yet. */
export interface SessionRequest {
  readonly epoch: number;
  /** Network address that it came from. */
  readonly address: string;
  /** The chunk that it brings or asks for. */
  readonly chunk: number | undefined;
  /** Makes it fail. */
  readonly end: (error: CairnError) => void;
  /** Resolves when it was made to fail. */
  readonly ended: Promise<void>;
  /** Resolves when it is over. */
  readonly done: Promise<void>;
}

/** A commit that is running, or that has run. */
export interface CommitJob {
  readonly digest: string;
  readonly entriesTotal: number;
  entriesDone: number;
  isRunning: boolean;
  /** Resolves when the session is committed, or another node has taken over; rejects with the commit's error. */
  readonly done: Promise<void>;
}

/** The parts of a session in memory. */
export interface SessionParts {
  /** @param onTaken called when another process has raised the epoch */
  readonly openRecord: (value: SessionRecord, onTaken: () => void) => LiveRecord;
  readonly openContent: (record: LiveRecord) => SessionContent;
  readonly now: () => number;
  /** Takes paths of this machine out of messages for clients. */
  readonly hidePaths: (text: string) => string;
  readonly log: Logger;
}

/** How long a session waits for the end of older requests; the store cuts off a writer that hangs longer. */
const END_REQUESTS_MS = 10_000;

/** Errors of requests that another event of their session has ended. */
const ENDS_OF_REQUESTS: ReadonlySet<ErrorCode> = new Set([
  'chunk-conflict',
  'session-aborted',
  'session-expired',
  'session-fenced',
  'session-suspended',
]);
const MAX_MESSAGE_CHARACTERS = 300;

/** One session in memory. */
export class LiveSession {
  readonly record: LiveRecord;
  readonly content: SessionContent;
  readonly requests = new Set<SessionRequest>();
  /** Runs work after all work that was given here before. */
  readonly exclusive = createMutex();
  /** The commit that is running, or that ended well. */
  job: CommitJob | undefined;
  /** Set while a commit looks at the chunks: none may change meanwhile. */
  sealed = false;
  /** Why the last scan of a pull's source failed in the middle of its answer; the next request is told. */
  scanFailure: CairnError | undefined;
  /** The last error of a request or the commit; it is written down with the next change of the record. */
  lastFailure: SessionFailure | undefined;
  /** Resolves when the content of an epoch that another process ended is closed. */
  takeover: Promise<void> = Promise.resolve();
  readonly #parts: Pick<SessionParts, 'now' | 'hidePaths'>;

  constructor(parts: SessionParts, record: SessionRecord) {
    this.#parts = parts;
    this.record = parts.openRecord(record, () => {
      this.takeover = this.#giveWay().catch((error: unknown) => {
        parts.log.error({ session: this.id, err: error }, 'closing the files of an older epoch failed');
      });
    });
    this.content = parts.openContent(this.record);
  }

  get id(): string {
    return this.record.value.id;
  }

  /**
   * Keeps the error of a request or the commit. False for an end that another event caused, whose own error is kept.
   */
  noteFailure(error: unknown): boolean {
    const { code, message } = storageError(error, 'serving the request');
    if (ENDS_OF_REQUESTS.has(code)) return false;
    const told = code === 'internal' ? 'the server failed; its log says why' : message;
    const atMs = this.#parts.now();
    this.lastFailure = {
      atMs,
      code,
      message: printable(this.#parts.hidePaths(told)).slice(0, MAX_MESSAGE_CHARACTERS),
    };
    return true;
  }

  /** Ends the requests of every older epoch and waits until they are over. */
  async endOlderRequests(): Promise<void> {
    const { epoch } = this.record.value;
    const isOlder = (request: SessionRequest): boolean => request.epoch !== epoch;
    const [first] = [...this.requests].filter(isOlder);
    if (first === undefined) return;
    await this.endRequests(isOlder, fencedBy(epoch));
    await this.record.noteOnce('fenced', { from: first.address });
  }

  /** Ends the requests that `which` picks, and waits until they are over. */
  async endRequests(which: (request: SessionRequest) => boolean, error: CairnError): Promise<void> {
    const ending = [...this.requests].filter(which);
    if (ending.length === 0) return;
    for (const request of ending) request.end(error);
    await atMost(END_REQUESTS_MS, Promise.all(ending.map(({ done }) => done)));
  }

  async #giveWay(): Promise<void> {
    await this.endOlderRequests();
    await this.content.closeChunks({ sync: false });
    this.content.plan.forget();
  }
}
