import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { createRandom } from '../../../support/random.ts';
import { jobScene } from '../../support/job-scene.ts';

const KILLS = 12;
const SIZE_BYTES = 3_000_000;

/** Processes of this machine whose command line has a word. */
function processesWith(word: string): string[] {
  return readdirSync('/proc').filter((pid) => {
    try {
      return /^\d+$/.test(pid) && readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(word);
    } catch {
      return false; // it has ended meanwhile
    }
  });
}

describe('jobs that are killed', () => {
  it('a job that is killed at any moment has a true history, leaves no process, and arrives whole in the end', async () => {
    const scene = await jobScene();
    const random = createRandom(20_261_130);
    writeFileSync(path.join(scene.source, 'large'), Buffer.alloc(SIZE_BYTES, 7));
    const text = ['[job.home]', 'source = "SOURCE"', 'to = "URL/home"', 'chunk-size = "64K"'];
    scene.writeJobs(...text, 'bwlimit = "300K"');
    const printed = new Map<unknown, Record<string, unknown>>();
    for (let kill = 0; kill < KILLS; kill += 1) {
      const run = scene.start(['run', 'home', '--json']);
      await sleep(random() * 3000);
      run.child.kill('SIGKILL');
      const { lines } = await run.result;
      for (const line of lines) if (line['type'] === 'run') printed.set(line['run'], line);
    }
    scene.writeJobs(...text);
    const { exitCode, last } = await scene.job(['run', 'home', '--json']);
    expect([exitCode, last['code']]).toEqual([0, 'ok']);
    const history = scene.history('home');
    const starts = history.filter(({ type }) => type === 'start');
    const ends = history.filter(({ type }) => type === 'end');
    expect(ends.map(({ run }) => run)).toEqual(starts.map(({ run }) => run));
    for (const end of ends.slice(0, -1)) {
      const told = printed.get(end['run']);
      // It may be killed right after its end was recorded, before it could say so.
      expect(told === undefined ? [null, 0] : [told['exitCode']]).toContain(end['exitCode']);
      expect(end['state']).toBe(end['exitCode'] === null ? 'interrupted' : 'ok');
    }
    expect(ends.at(-1)).toMatchObject({ state: 'ok', exitCode: 0 });
    expect(scene.published('home/large')).toHaveLength(SIZE_BYTES);
    expect(processesWith(scene.source)).toEqual([]);
  });
});
