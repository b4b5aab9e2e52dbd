import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build } from 'esbuild';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type ProcessIdentity, parseProcessStat, systemInspector } from '../../src/base/process-identity.ts';
import { acquireProcessLock } from '../../src/base/process-lock.ts';

let tools: string;
let home: string;
let directory: string;
const children = new Set<ChildProcess>();

/** A process that tries for the lock, says "held" or the error's code, and lets go when its input ends. */
const CONTENDER = `
import { acquireProcessLock } from ${JSON.stringify(join(import.meta.dirname, '../../src/base/process-lock.ts'))};
await new Promise((go) => process.stdin.once('data', go));
try {
  const lock = await acquireProcessLock(process.argv[2]);
  process.stdout.write('held\\n');
  await new Promise((go) => process.stdin.once('end', go));
  await lock.release();
} catch (error) {
  process.stdout.write(error.code + '\\n');
  process.stdin.destroy();
}
`;

beforeAll(async () => {
  tools = mkdtempSync(join(tmpdir(), 'cairn-lock-tools-'));
  const stdin = { contents: CONTENDER, resolveDir: tools, loader: 'ts' as const };
  await build({
    stdin,
    bundle: true,
    platform: 'node',
    format: 'esm',
    outfile: join(tools, 'contender.mjs'),
  });
});
afterAll(() => rmSync(tools, { recursive: true }));
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'cairn-lock-'));
  directory = join(home, 'transfer');
});
afterEach(() => {
  for (const child of children) child.kill('SIGKILL');
  children.clear();
  rmSync(home, { recursive: true });
});

function start(): ChildProcess {
  const stdio = ['pipe', 'pipe', 'inherit'] as const;
  const child = spawn(process.execPath, [join(tools, 'contender.mjs'), directory], { stdio: [...stdio] });
  children.add(child);
  return child;
}

async function answerOf(child: ChildProcess): Promise<string> {
  child.stdin?.write('go');
  const [bytes] = (await once(child.stdout as NodeJS.ReadableStream, 'data')) as [Buffer];
  return bytes.toString().trim();
}

const isLocked = (pid: number | undefined): unknown =>
  expect.objectContaining({ code: 'transfer-locked', details: { pid } });

describe('process locks between real processes', () => {
  it('a process lock is refused while its holder lives, and free the moment that is killed', async () => {
    const child = start();
    expect(await answerOf(child)).toBe('held');
    await expect(acquireProcessLock(directory)).rejects.toEqual(isLocked(child.pid));
    child.kill('SIGKILL');
    await once(child, 'exit');
    const lock = await acquireProcessLock(directory);
    expect(await answerOf(start())).toBe('transfer-locked');
    await lock.release();
    const next = start();
    expect(await answerOf(next)).toBe('held');
    next.stdin?.end();
    await once(next, 'exit');
    await (await acquireProcessLock(directory)).release();
    expect(readdirSync(directory)).toEqual([expect.stringMatching(/^lock\.\d+$/)]);
  });

  it('a process lock that a dead holder left goes to exactly one of 20 processes that race for it', async () => {
    for (let round = 0; round < 3; round += 1) {
      const racers = Array.from({ length: 20 }, start);
      const gone = racers.map((racer) => once(racer, 'exit'));
      const answers = await Promise.all(racers.map(answerOf));
      expect(answers.filter((answer) => answer === 'held')).toHaveLength(1);
      expect(answers.filter((answer) => answer === 'transfer-locked')).toHaveLength(19);
      for (const racer of racers) racer.kill('SIGKILL');
      await Promise.all(gone);
    }
  });
});

describe('process locks between simulated processes', () => {
  const identity = (pid: number): ProcessIdentity => ({ pid, startTime: `${pid * 10}`, bootId: 'boot' });
  const dead = new Set<number>();
  const inspectAs = (pid: number) => ({
    self: () => identity(pid),
    isAlive: (who: ProcessIdentity) => !dead.has(who.pid),
  });
  beforeEach(() => dead.clear());

  it('a process lock never has two holders while many take it, release it and die', async () => {
    let holders = 0;
    let taken = 0;
    const contend = async (first: number): Promise<void> => {
      for (let pid = first; pid < first + 30; pid += 1) {
        const lock = await acquireProcessLock(directory, { inspect: inspectAs(pid) }).catch(() => undefined);
        if (lock === undefined) continue;
        taken += 1;
        holders += 1;
        expect(holders).toBe(1);
        await new Promise((go) => setTimeout(go, Math.random() * 3));
        holders -= 1;
        if (pid % 3 === 0) dead.add(pid);
        else await lock.release();
      }
    };
    await Promise.all(Array.from({ length: 12 }, (_, index) => contend(1 + index * 1000)));
    expect(taken).toBeGreaterThan(10);
  });

  it('a process lock is refused to the process that holds it', async () => {
    const lock = await acquireProcessLock(directory);
    await expect(acquireProcessLock(directory)).rejects.toEqual(isLocked(process.pid));
    const asState = acquireProcessLock(directory, { code: 'state-locked' });
    await expect(asState).rejects.toMatchObject({ code: 'state-locked' });
    await lock.release();
    await lock.release();
    await (await acquireProcessLock(directory)).release();
  });

  it('a process lock is refused for a living lock of a lower number', async () => {
    await acquireProcessLock(directory, { inspect: inspectAs(7) });
    const [name] = readdirSync(directory);
    writeFileSync(join(directory, 'lock.9'), '');
    await expect(acquireProcessLock(directory, { inspect: inspectAs(8) })).rejects.toEqual(isLocked(7));
    expect(name).toBe('lock.1');
  });

  it('a process lock takes damaged and empty locks for released, and removes those of the dead', async () => {
    await (await acquireProcessLock(directory)).release();
    for (const name of ['lock.3', 'lock.12']) writeFileSync(join(directory, name), '{"pid":');
    writeFileSync(join(directory, 'lock.x'), 'not ours');
    const lock = await acquireProcessLock(directory);
    expect(readdirSync(directory).toSorted()).toEqual(['lock.13', 'lock.x']);
    expect(JSON.parse(readFileSync(join(directory, 'lock.13'), 'utf8'))).toMatchObject({ pid: process.pid });
    rmSync(directory, { recursive: true });
    const other = await acquireProcessLock(directory);
    await lock.release();
    await expect(acquireProcessLock(directory)).rejects.toEqual(isLocked(process.pid));
    await other.release();
  });
});

describe('the system inspector', () => {
  it('the system inspector knows its own process, and none with another start or boot', () => {
    const self = systemInspector.self();
    expect(self.pid).toBe(process.pid);
    expect(systemInspector.isAlive(self)).toBe(true);
    if (self.startTime !== '') expect(systemInspector.isAlive({ ...self, startTime: '1' })).toBe(false);
    expect(systemInspector.isAlive({ ...self, bootId: 'another' })).toBe(false);
    expect(systemInspector.isAlive({ ...self, pid: 2 ** 22 + 1 })).toBe(false);
  });

  it('the system inspector finds the start time of a process behind any command name', () => {
    const rest = Array.from({ length: 40 }, (_, index) => `${index + 4}`).join(' ');
    expect(parseProcessStat(`12 (a) b (c) S ${rest}\n`)).toEqual({ state: 'S', startTime: '22' });
    expect(parseProcessStat('')).toBeUndefined();
  });
});

it('a process lock is not taken through a symbolic link', async () => {
  const outside = mkdtempSync(join(tmpdir(), 'cairn-lock-outside-'));
  symlinkSync(outside, directory);
  await expect(acquireProcessLock(directory)).rejects.toMatchObject({ code: 'symlink-refused' });
  expect(readdirSync(outside)).toEqual([]);
  rmSync(outside, { recursive: true });
});
