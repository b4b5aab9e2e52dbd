import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { copySession, memoryDirectory } from '../support/many-sessions.ts';
import { startCairn, untilLine, type CliRun } from '../support/cli.ts';
import { interruptPush } from '../support/interrupted-push.ts';
import { digestOf, temporaryDirectory } from '../support/trees.ts';

/** What a process has open below a directory. */
function openBelow(pid: number, directory: string): string[] {
  return readdirSync(`/proc/${pid}/fd`).flatMap((fd) => {
    try {
      const file = readlinkSync(`/proc/${pid}/fd/${fd}`);
      return file.startsWith(directory) ? [file] : [];
    } catch {
      return []; // the descriptor of this very listing is gone
    }
  });
}

async function serve(root: string): Promise<{ run: CliRun; url: string }> {
  const words = ['serve', '--root', root, '--listen', '127.0.0.1:0', '--json'];
  const run = startCairn(words, { stateHome: temporaryDirectory() });
  const { url } = await untilLine(run, ({ type }) => type === 'listening');
  return { run, url: String(url) };
}

function countStaged(root: string): number {
  try {
    return readdirSync(path.join(root, '.cairn/staging')).length;
  } catch {
    return 0; // the folder goes with the last of them
  }
}

/** Milliseconds of processor time that a process has taken (fields 14 and 15 of proc(5) stat, in ticks of 10 ms). */
function cpuMsOfProcess(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/^.*\) /, '')
    .split(' ');
  return (Number(fields[11]) + Number(fields[12])) * 10;
}

function residentKib(pid: number): number {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1]);
}

describe.skipIf(process.platform !== 'linux')('a server with many unfinished sessions', () => {
  test('a server with 500 unfinished sessions opens no files of a session until its client comes back', async () => {
    const it = await interruptPush();
    copySession(it, it.root, 500);
    await it.server.start();
    const staging = path.join(it.root, '.cairn/staging');
    await sleep(300);
    expect(openBelow(it.server.pid()!, staging)).toEqual([]);
    await it.server.kill();
    const finishing = it.finish();
    const seen = new Set<string>();
    const over = new AbortController();
    void finishing.finally(() => over.abort());
    while (!over.signal.aborted) {
      const pid = it.server.pid();
      if (pid !== undefined) for (const file of openBelow(pid, staging)) seen.add(file);
      await sleep(5);
    }
    expect(await finishing).toMatchObject({ exitCode: 0 });
    expect(digestOf(path.join(it.root, 'file'))).toBe(digestOf(it.source));
    // The folder of all of them is on the way to that one's.
    expect([...seen].filter((file) => file !== staging && !file.includes(it.sessionId))).toEqual([]);
    expect(seen.size).toBeGreaterThan(0);
  });

  test('a server starts with ten thousand unfinished sessions in 5 s of CPU time, and takes less than 8 KiB for each', async () => {
    const it = await interruptPush();
    const empty = temporaryDirectory();
    const full = memoryDirectory();
    copySession(it, full, 10_000);
    const without = await serve(empty);
    const withAll = await serve(full);
    expect(cpuMsOfProcess(withAll.run.child.pid!)).toBeLessThan(5000);
    await sleep(500);
    const perSession = (residentKib(withAll.run.child.pid!) - residentKib(without.run.child.pid!)) / 10_000;
    expect(perSession).toBeLessThan(8);
  });

  test('a server frees thousands of sessions whose lease is over, and answers others meanwhile', async () => {
    const it = await interruptPush();
    const root = memoryDirectory();
    copySession(it, root, 3000, { leaseExpiresAtMs: 1 });
    const { run, url } = await serve(root);
    let answers = 0;
    let worstMs = 0;
    for (let left = 3000; left > 0; left = countStaged(root)) {
      const asked = performance.now();
      const response = await fetch(`${url}/.cairn/v1/`);
      expect(response.status).toBe(200);
      await response.arrayBuffer();
      worstMs = Math.max(worstMs, performance.now() - asked);
      answers += 1;
      expect(openBelow(run.child.pid!, path.join(root, '.cairn/staging')).length).toBeLessThan(64);
    }
    expect(answers).toBeGreaterThan(50);
    expect(worstMs).toBeLessThan(1000);
    run.child.kill('SIGTERM');
    expect(await run.result).toMatchObject({ exitCode: 0 });
  });

  test('a server that is told to end does not wait until it has freed thousands of sessions', async () => {
    const it = await interruptPush();
    const root = memoryDirectory();
    copySession(it, root, 3000, { leaseExpiresAtMs: 1 });
    const first = await serve(root);
    first.run.child.kill('SIGTERM');
    expect(await first.run.result).toMatchObject({ exitCode: 0 });
    expect(countStaged(root)).toBeGreaterThan(0);
  });
});
