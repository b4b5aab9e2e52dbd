/**
 * A session that is being worked on: its record, what is open of it, and the requests in flight. What is here and
 * nowhere else may be lost at any moment; what was promised to a client is in the stores.
 */
import type { CairnError } from '../../base/errors.ts';
import type { SessionRecord } from '../../session/record.ts';
import type { CommitJob } from './commit-job.ts';
import { fencedBy, LiveRecord } from './live-record.ts';
import type { SessionContext } from '../server-context.ts';
import { SessionContent } from './session-content.ts';

/** A request of a session that is not answered yet. */
export interface SessionRequest {
  readonly epoch: number;
  /** The chunk that it is about, where it brings or asks for one. */
  readonly chunk: number | undefined;
  /** Makes it fail. */
  readonly end: (error: CairnError) => void;
  /** Resolves when it is over, one way or the other. */
  readonly done: Promise<void>;
}

/** How long the end of older requests is waited for; the store cuts off a writer that hangs longer. */
const END_REQUESTS_MS = 10_000;

/** One session in memory. */
export class LiveSession {
  readonly record: LiveRecord;
  readonly content: SessionContent;
  readonly requests = new Set<SessionRequest>();
  /** The commit that is running, or that ended well. */
  job: CommitJob | undefined;
  /** Set while a commit looks at the chunks: none may change under it. */
  sealed = false;
  /** Why the last scan of a pull's source failed in the middle of its answer; told to the next one who asks. */
  scanFailure: CairnError | undefined;
  /** Resolves when what belonged to an epoch that another process ended is closed. */
  takeover: Promise<void> = Promise.resolve();
  #lastTurn: Promise<unknown> = Promise.resolve();

  constructor(context: SessionContext, record: SessionRecord) {
    this.record = new LiveRecord(context, record, () => {
      this.takeover = this.#giveWay().catch((error: unknown) => {
        context.log.error({ session: this.id, err: error }, 'closing what an older epoch left failed');
      });
    });
    this.content = new SessionContent(context, this.record);
  }

  get id(): string {
    return this.record.value.id;
  }

  /** Runs `work` when nothing runs any more that was given here before. */
  exclusive<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#lastTurn.then(work);
    this.#lastTurn = turn.catch(() => undefined); // told to whoever waits for that turn
    return turn;
  }

  /** Ends the requests of every epoch but the current one and waits until they are over. */
  endOlderRequests(): Promise<void> {
    const { epoch } = this.record.value;
    return this.endRequests((request) => request.epoch !== epoch, fencedBy(epoch));
  }

  /** Makes the requests fail that `which` picks, and waits until they are over. */
  async endRequests(which: (request: SessionRequest) => boolean, error: CairnError): Promise<void> {
    const ending = [...this.requests].filter(which);
    if (ending.length === 0) return;
    for (const request of ending) request.end(error);
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, END_REQUESTS_MS);
    });
    await Promise.race([Promise.all(ending.map(({ done }) => done)), late]);
    clearTimeout(timer);
  }

  async #giveWay(): Promise<void> {
    await this.endOlderRequests();
    await this.content.closeChunks({ sync: false });
    this.content.plan.forget();
  }
}
