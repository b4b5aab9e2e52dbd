/**
 * The store of a world of nodes: a bucket of a service that speaks S3, in virtual time. A request is carried out at one
 * moment, as a real service does it; its answer may be lost or wrong, and a change may land long after its sender was told
 * that it failed, or was killed. What is read is always the newest (as S3 has it since 2020); a list is consistent within a page.
 */
import type { IncomingMessage } from 'node:http';
import type { Answered, Exchanger } from '../../../src/storage/objects/s3/http-exchange.ts';
import { type Answer, type Asked, failure, perform, type Stored } from '../../support/s3/s3-semantics.ts';
import type { Ground } from '../ground.ts';
import type { Machine } from '../system/machine.ts';
import type { SimulatedProcess } from '../system/process.ts';
import { AnswerBody } from './answer-body.ts';
import { BUCKET_PATH } from './place.ts';

/** How bad the service is: probabilities of what may happen to a request. */
export interface BucketTrouble {
  /** It never arrives. */
  lost: number;
  /** It is carried out, and its answer is lost or an error. */
  unanswered: number;
  /** It is answered with an error, and carried out later all the same. */
  late: number;
  /** It is refused since there are too many. */
  slowDown: number;
  /** The body of the answer is cut. */
  cutBody: number;
  /** Nothing arrives. */
  isDown: boolean;
}

/** A service that works. */
export const NO_BUCKET_TROUBLE: BucketTrouble = {
  lost: 0,
  unanswered: 0,
  late: 0,
  slowDown: 0,
  cutBody: 0,
  isDown: false,
};

/** Keys of a page: few, so that what is listed changes between two of them. */
const PAGE_KEYS = 12;
const MAX_SKEW_MS = 15 * 60_000;
/** How long a late change takes at most: longer than a publisher's lease. */
const LATEST_MS = 60_000;
/** How a lost race is answered besides 412: Ceph answers one of ten with 500. */
const RACE = { conflict: 0.2, failed: 0.1 };

/** The moments of a request at which its sender may die or be stopped. */
export type Moment = 'before' | 'after';

interface Sent {
  readonly process: SimulatedProcess;
  readonly asked: Asked;
  readonly body: Buffer;
  readonly resolve: (answer: Answered) => void;
  readonly reject: (error: unknown) => void;
}

/** See the file. */
export class SimulatedBucket {
  readonly objects = new Map<string, Stored>();
  readonly trouble: BucketTrouble = { ...NO_BUCKET_TROUBLE };
  /** Told of each change at the moment at which it happens. */
  onPut: (key: string) => void = () => undefined;
  onRemoved: (key: string) => void = () => undefined;
  /** Told of each request when it is sent, and when it has been carried out. */
  onRequest: (process: SimulatedProcess, asked: Asked, moment: Moment) => void = () => undefined;
  requests = 0;
  readonly #world: Ground;
  /** Has the clock of the service. */
  readonly #machine: Machine;

  constructor(world: Ground, machine: Machine) {
    this.#world = world;
    this.#machine = machine;
  }

  /** How a process sends requests to it. */
  exchangerOf(process: SimulatedProcess): Exchanger {
    return ({ method, url, headers, open }) =>
      new Promise((resolve, reject) => {
        const key = decodeURIComponent(url.pathname).slice(BUCKET_PATH.length);
        const asked: Asked = { method, key, query: url.searchParams, headers };
        wholeOf(open).then((body) => this.#send({ process, asked, body, resolve, reject }), reject);
      });
  }

  #send(sent: Sent): void {
    const { process, asked } = sent;
    if (!process.isAlive) return;
    this.requests += 1;
    const { chance, scheduler, trace } = this.#world;
    this.onRequest(process, asked, 'before');
    if (!process.isAlive) return;
    trace.say(
      process.name,
      () => `${asked.method} ${asked.key}${asked.query.size > 0 ? `?${asked.query.toString()}` : ''}`,
    );
    const delayMs = chance.is(0.02) ? chance.next() * 3000 : 1 + chance.next() * 6;
    const { lost, late, slowDown, isDown } = this.trouble;
    if (isDown || chance.is(lost)) return this.#fail(sent, delayMs, 'lost store request');
    if (chance.is(slowDown)) {
      this.#world.meet('slow down');
      return this.#answer(sent, delayMs, failure(503, 'SlowDown'));
    }
    const isChange = asked.method === 'PUT' || asked.method === 'POST';
    if (isChange && chance.is(late)) {
      this.#fail(sent, delayMs, 'late change');
      scheduler.after(delayMs + chance.next() * chance.next() * LATEST_MS, () => void this.#carryOut(sent));
      return;
    }
    // The service has it by then, whatever becomes of its sender.
    scheduler.after(delayMs, () => this.#carryOutAndAnswer(sent));
  }

  #carryOutAndAnswer(sent: Sent): void {
    const { chance } = this.#world;
    const answer = this.#carryOut(sent);
    if (!sent.process.isAlive) return;
    this.onRequest(sent.process, sent.asked, 'after');
    if (!sent.process.isAlive) return;
    const backMs = 0.5 + chance.next() * 4;
    if (chance.is(this.trouble.unanswered)) this.#fail(sent, backMs, 'unknown outcome');
    else this.#answer(sent, backMs, answer);
  }

  /** The one moment at which it happens. */
  #carryOut({ asked, body }: Sent): Answer {
    if (this.#isSkewed(asked)) return failure(403, 'RequestTimeTooSkewed');
    const service = {
      objects: this.objects,
      now: () => this.#now(),
      pageKeys: PAGE_KEYS,
      onRemoved: (key: string) => this.onRemoved(key),
    };
    const answer = perform(service, asked, body);
    if (asked.method === 'PUT' && answer.status === 200) this.onPut(asked.key);
    return answer.status === 412 && asked.method === 'PUT' ? this.#lostRace(answer) : answer;
  }

  #lostRace(usual: Answer): Answer {
    const { chance } = this.#world;
    this.#world.meet('lost race');
    if (chance.is(RACE.conflict)) return failure(409, 'ConditionalRequestConflict');
    return chance.is(RACE.failed) ? failure(500, 'UnknownError') : usual;
  }

  /** The sender learns of nothing but a failure, which may be an answer of a gateway or the end of a connection. */
  #fail(sent: Sent, afterMs: number, what: string): void {
    const { chance } = this.#world;
    this.#world.meet(what);
    if (chance.is(0.5)) return this.#answer(sent, afterMs, failure(500, 'InternalError'));
    const waitMs = chance.is(0.2) ? 30_000 : afterMs;
    sent.process.after(waitMs, () =>
      sent.reject(Object.assign(new Error('simulated: no answer'), { code: 'ECONNRESET' })),
    );
  }

  #answer({ process, asked, resolve }: Sent, afterMs: number, answer: Answer): void {
    const { chance } = this.#world;
    const bytes = Buffer.from(answer.body ?? '');
    const isCut = asked.method === 'GET' && bytes.length > 0 && chance.is(this.trouble.cutBody);
    if (isCut) this.#world.meet('cut answer of the store');
    const body = new AnswerBody(bytes, isCut ? chance.int(0, bytes.length) : undefined);
    const length = asked.method === 'HEAD' ? {} : { 'content-length': String(bytes.length) };
    process.after(afterMs, () =>
      resolve({
        status: answer.status,
        headers: { date: this.#now().toUTCString(), ...length, ...answer.headers },
        body: body as unknown as IncomingMessage,
      }),
    );
  }

  #isSkewed({ headers }: Asked): boolean {
    const [, year, month, day, hour, minute, second] =
      /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec((headers['x-amz-date'] as string) ?? '') ?? [];
    const sentAtMs = Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`);
    // A late change was signed in time.
    return Math.abs(sentAtMs - this.#machine.wallMs()) > MAX_SKEW_MS + LATEST_MS;
  }

  #now(): Date {
    return new Date(this.#machine.wallMs());
  }
}

async function wholeOf(open: (() => AsyncIterable<Uint8Array>) | undefined): Promise<Buffer> {
  const pieces: Buffer[] = [];
  if (open !== undefined) for await (const piece of open()) pieces.push(Buffer.from(piece));
  return Buffer.concat(pieces);
}
