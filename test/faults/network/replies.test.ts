import { describe, test } from 'vitest';
import type { PassingRequest } from '../../support/proxy-link.ts';
import { untilLine } from '../../support/cli.ts';
import { campaign } from '../support/campaign.ts';
import { sessionRecords } from '../support/sessions.ts';
import { Violation } from '../support/violation.ts';
import type { World } from '../support/world.ts';
import {
  checkInjected,
  createJob,
  DIRECTIONS,
  logLines,
  MIB,
  movedBytes,
  proxyBefore,
  talkativeWorld,
  type Direction,
  type Job,
} from './scene.ts';

type Matches = (request: PassingRequest) => boolean;

const asks =
  (method: string, ending: RegExp): Matches =>
  (request) =>
    request.method === method && ending.test(request.path);

/** Requests of a whole transfer, by what they are called. */
const REQUESTS = {
  'establish': asks('POST', /\/sessions$/),
  'push manifest': asks('PUT', /\/manifest$/),
  'pull manifest': asks('GET', /\/manifest$/),
  'plan': asks('PUT', /\/plan$/),
  'push chunk': asks('PUT', /\/chunks\/\d+$/),
  'chunk offset': asks('HEAD', /\/chunks\/\d+$/),
  'pull chunk': asks('GET', /\/chunks\/\d+$/),
  'sync': asks('POST', /\/sync$/),
  'commit': asks('POST', /\/commit$/),
  'resume': asks('POST', /\/resume$/),
  'checkpoint': asks('GET', /\/checkpoint$/),
  'suspend': asks('POST', /\/suspend$/),
} satisfies Record<string, Matches>;
type Kind = keyof typeof REQUESTS;

/** A transfer, and the requests that it makes. */
interface Whole {
  readonly direction: Direction;
  readonly isPiped?: boolean;
  readonly words?: readonly string[];
  readonly kinds: readonly Kind[];
}
const WHOLE: Readonly<Record<string, Whole>> = {
  'push': {
    direction: 'push',
    kinds: ['establish', 'push manifest', 'push chunk', 'chunk offset', 'commit'],
  },
  // Where nothing is compared more closely, the plan is agreed with the manifest.
  'push with --checksum': { direction: 'push', words: ['--checksum'], kinds: ['plan'] },
  'push of a pipe': {
    direction: 'push',
    isPiped: true,
    kinds: ['establish', 'push manifest', 'push chunk', 'chunk offset', 'sync', 'commit'],
  },
  'pull': { direction: 'pull', kinds: ['establish', 'pull manifest', 'pull chunk', 'commit'] },
};

/** Loses the first answers to requests of a kind; of chunks those to all of them, once each. */
function loseReplies(
  kind: Kind,
  times: number,
): { decide: (request: PassingRequest) => 'pass' | 'lose-reply'; lost: () => number } {
  const lostOf = new Map<string, number>();
  let lost = 0;
  return {
    lost: () => lost,
    decide: (request) => {
      const before = lostOf.get(request.path) ?? 0;
      if (!REQUESTS[kind](request) || before >= times) return 'pass';
      lostOf.set(request.path, before + 1);
      lost += 1;
      return 'lose-reply';
    },
  };
}

/** One session was made of it, and it was published once. */
function checkOnce(world: World, target: string): void {
  // A pull that was resumed looks once more whether all is as it was; the session for that is aborted.
  const sessions = sessionRecords(world.root).filter(
    (record) => record.target === target && record.state !== 'aborted',
  );
  if (sessions.length !== 1)
    throw new Violation(
      'leak',
      `${sessions.length} sessions: ${sessions.map(({ state }) => state).join(', ')}`,
    );
  const committed = logLines(world).filter((line) => line['msg'] === 'session committed');
  if (committed.length !== 1) throw new Violation('unclear', `committed ${committed.length} times`);
}

/** Every byte of a push was taken in once, by the server's log, and counted once, by the client. */
function checkCounted(world: World, job: Job, told: number): void {
  const received = logLines(world)
    .filter((line) => line['msg'] === 'chunk received')
    .reduce((sum, line) => sum + Number(line['lengthBytes']) - Number(line['offset']), 0);
  if (job.direction === 'push' && received !== job.sizeBytes)
    throw new Violation('unclear', `the server took ${received} bytes of ${job.sizeBytes}`);
  if (told !== job.sizeBytes) throw new Violation('unclear', `${told} bytes counted of ${job.sizeBytes}`);
}

describe.each(Object.entries(WHOLE))('a %s', (what, { kinds, ...whole }) => {
  const { direction } = whole;
  const all = `a ${what} whose answers are lost, one kind after the other, is made once`;
  test(all, () =>
    campaign('network', all, { sample: kinds.length, full: 4 * kinds.length }, async (given) => {
      const kind = kinds[(given.seed - 1) % kinds.length]!;
      const world = await talkativeWorld();
      const proxy = await proxyBefore(world);
      const job = createJob({ world, proxy, sizeBytes: 2 * MIB, ...whole });
      const losing = loseReplies(kind, kind.includes('chunk') ? 1 : 2);
      // Where a chunk stands is only asked after its own answer was lost.
      const first = loseReplies(
        kind === 'chunk offset' ? 'push chunk' : kind,
        kind === 'chunk offset' ? 1 : 0,
      );
      proxy.onRequest((request) =>
        first.decide(request) === 'pass' ? losing.decide(request) : 'lose-reply',
      );
      const result = await job.run();
      checkInjected(losing.lost());
      given.injected(losing.lost() + first.lost());
      await job.checkDone(result);
      checkOnce(world, sessionRecords(world.root).at(0)!.target);
      if (direction === 'push') checkCounted(world, job, movedBytes(result));
    }),
  );
});

describe.each(DIRECTIONS)('a %s', (direction) => {
  const resumed = `a ${direction} whose answers to suspend and resume are lost goes on in its session`;
  test(resumed, () =>
    campaign('network', resumed, { sample: 1, full: 8 }, async ({ random, injected }) => {
      const world = await talkativeWorld();
      // Slow enough to be stopped in the middle by whoever reads its progress.
      const proxy = await proxyBefore(world, { bytesPerSecond: 2 * MIB });
      const job = createJob({ world, proxy, direction, sizeBytes: 6 * MIB });
      const losing = (['suspend', 'resume', 'checkpoint'] as const).map((kind) => loseReplies(kind, 2));
      proxy.onRequest((request) =>
        losing.some(({ decide }) => decide(request) === 'lose-reply') ? 'lose-reply' : 'pass',
      );
      const first = job.start();
      const stopAtBytes = (0.2 + 0.5 * random()) * job.sizeBytes;
      await untilLine(first, (line) => Number(line['bytesDone']) > stopAtBytes);
      first.child.kill('SIGINT');
      await job.checkFailed(await first.result, [130]);
      const result = await job.run();
      const [suspend, resume, checkpoint] = losing.map(({ lost }) => lost());
      checkInjected(suspend! * resume! * (direction === 'push' ? checkpoint! : 1));
      injected(suspend! + resume! + checkpoint!);
      await job.checkDone(result);
      checkOnce(world, sessionRecords(world.root).at(0)!.target);
      if (Number(result.last['bytesResumed']) === 0) throw new Violation('lost', 'nothing was resumed');
    }),
  );

  const races = `a ${direction} whose kept connections end just as they are used again is made once`;
  test(races, () =>
    campaign('network', races, { sample: 1, full: 20 }, async ({ seed, random, injected }) => {
      const world = await talkativeWorld();
      const proxy = await proxyBefore(world);
      const job = createJob({ world, proxy, direction, sizeBytes: 2 * MIB });
      const how = seed % 2 === 0 ? 'reset' : 'close';
      let ended = 0;
      proxy.onRequest(({ number }) => {
        if (number === 1 || random() < 0.2) return 'pass';
        ended += 1;
        return how;
      });
      const result = await job.run();
      checkInjected(ended);
      injected(ended);
      await job.checkDone(result);
      checkOnce(world, sessionRecords(world.root).at(0)!.target);
      if (direction === 'push') checkCounted(world, job, movedBytes(result));
    }),
  );
});
