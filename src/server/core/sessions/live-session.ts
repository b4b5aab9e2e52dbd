/**
 * A session that is being worked on: its record, what is open of it, and the requests in flight. What is here and
 * nowhere else may be lost at any moment; what was promised to a client is in the stores.
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
  /** The chunk that it is about, where it brings or asks for one. */
  readonly chunk: number | undefined;
  /** Makes it fail. */
  readonly end: (error: CairnError) => void;
  /** Resolves when it was made to fail. */
  readonly ended: Promise<void>;
  /** Resolves when it is over, one way or the other. */
  readonly done: Promise<void>;
}

/** A commit that is running, or that has run. */
export interface CommitJob {
  readonly digest: string;
  readonly entriesTotal: number;
  entriesDone: number;
  isRunning: boolean;
  /** Resolves when the session is committed, or another node has taken over; rejects with why it could not be. */
  readonly done: Promise<void>;
}

/** What a session in memory is made with. */
export interface SessionParts {
  /** @param onTaken told when another process has raised the epoch */
  readonly openRecord: (value: SessionRecord, onTaken: () => void) => LiveRecord;
  readonly openContent: (record: LiveRecord) => SessionContent;
  readonly now: () => number;
  /** Takes paths of this machine out of what clients are told. */
  readonly hidePaths: (text: string) => string;
  readonly log: Logger;
}

/** How long the end of older requests is waited for; the store cuts off a writer that hangs longer. */
const END_REQUESTS_MS = 10_000;

/** What requests end with because of something else that happened to their session. */
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
  /** Runs work when all that was given here before is over. */
  readonly exclusive = createMutex();
  /** The commit that is running, or that ended well. */
  job: CommitJob | undefined;
  /** Set while a commit looks at the chunks: none may change under it. */
  sealed = false;
  /** Why the last scan of a pull's source failed in the middle of its answer; told to the next one who asks. */
  scanFailure: CairnError | undefined;
  /** What a request, or the commit, last failed with; it is written down when the record is written anyway. */
  lastFailure: SessionFailure | undefined;
  /** Resolves when what belonged to an epoch that another process ended is closed. */
  takeover: Promise<void> = Promise.resolve();
  readonly #parts: Pick<SessionParts, 'now' | 'hidePaths'>;

  constructor(parts: SessionParts, record: SessionRecord) {
    this.#parts = parts;
    this.record = parts.openRecord(record, () => {
      this.takeover = this.#giveWay().catch((error: unknown) => {
        parts.log.error({ session: this.id, err: error }, 'closing what an older epoch left failed');
      });
    });
    this.content = parts.openContent(this.record);
  }

  get id(): string {
    return this.record.value.id;
  }

  /**
   * Remembers what a request or the commit failed with. False where that was only the end that something else had set to
   * it, which is remembered itself.
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

  /** Ends the requests of every epoch but the current one and waits until they are over. */
  async endOlderRequests(): Promise<void> {
    const { epoch } = this.record.value;
    const isOlder = (request: SessionRequest): boolean => request.epoch !== epoch;
    const [first] = [...this.requests].filter(isOlder);
    if (first === undefined) return;
    await this.endRequests(isOlder, fencedBy(epoch));
    await this.record.noteOnce('fenced', { from: first.address });
  }

  /** Makes the requests fail that `which` picks, and waits until they are over. */
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
