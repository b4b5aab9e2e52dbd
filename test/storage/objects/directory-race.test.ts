import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { build } from 'esbuild';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { openDirectoryObjects } from '../../../src/storage/objects/directory/directory-objects.ts';
import { keysOf } from '../../suites/objects-at-hand.ts';
import { type RivalReport, ROUNDS, sealed, unsealed } from './rival.ts';

const RIVALS = 5;
let tools: string;

beforeAll(async () => {
  tools = mkdtempSync(join(tmpdir(), 'cairn-rivals-'));
  await build({
    entryPoints: [join(import.meta.dirname, 'rival.ts')],
    bundle: true,
    platform: 'node',
    format: 'esm',
    outfile: join(tools, 'rival.mjs'),
  });
});
afterAll(() => rmSync(tools, { recursive: true }));

async function newDirectory(): Promise<string> {
  const home = mkdtempSync(join(tmpdir(), 'cairn-race-'));
  onTestFinished(() => rmSync(home, { recursive: true, force: true }));
  const root = join(home, 'objects');
  await (await openDirectoryObjects(root)).put('counter', sealed('0'));
  return root;
}

function startRivals(root: string, count: number): ChildProcess[] {
  return Array.from({ length: count }, (_, number) => {
    const child = spawn(process.execPath, [join(tools, 'rival.mjs'), root, `rival-${number}`], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    onTestFinished(() => void child.kill('SIGKILL'));
    child.stdin?.write('go');
    return child;
  });
}

describe('processes that race for one directory of objects', () => {
  it('processes that race for one directory of objects never both win a version, and lose no change', async () => {
    const root = await newDirectory();
    const rivals = startRivals(root, RIVALS);
    const texts = await Promise.all(rivals.map(({ stdout }) => text(stdout as NodeJS.ReadableStream)));
    const reports = texts.map((each) => JSON.parse(each) as RivalReport);
    const store = await openDirectoryObjects(root);

    const added = reports.reduce((sum, report) => sum + report.added, 0);
    expect((await unsealed(store, 'counter'))?.text).toBe(String(added));
    const from = reports.flatMap(({ steps }) => steps.map(([old]) => old)).filter((old) => old !== null);
    expect(from.length).toBeGreaterThan(0);
    expect(new Set(from).size).toBe(from.length);
    const to = reports.flatMap(({ steps }) => steps.map(([, made]) => made));
    expect(new Set(to).size).toBe(to.length);
    const made = reports.flatMap((report) => report.made);
    expect(made.toSorted((a, b) => a - b)).toEqual(Array.from({ length: ROUNDS }, (_, round) => round));
    for (const [number, report] of reports.entries())
      for (const round of report.made)
        expect((await unsealed(store, `once/${round}`))?.text).toBe(`rival-${number}`);
    expect(readdirSync(join(root, 'drafts'))).toEqual([]);
  });

  it('processes that are killed leave whole objects only, and delay no other process', async () => {
    const root = await newDirectory();
    const rivals = startRivals(root, RIVALS);
    const store = await openDirectoryObjects(root);
    // Each is killed somewhere in its work, which the others make go on.
    for (const [number, rival] of rivals.entries()) {
      while (rival.exitCode === null && (await keysOf(store, 'once/')).length < 3 * (number + 1))
        await sleep(1);
      rival.kill('SIGKILL');
      if (rival.exitCode === null) await once(rival, 'exit');
    }
    for await (const { key } of store.list('')) await unsealed(store, key);
    const before = Number((await unsealed(store, 'counter'))?.text);
    const [next] = startRivals(root, 1);
    const report = JSON.parse(await text(next!.stdout as NodeJS.ReadableStream)) as RivalReport;
    // Nobody is in its way, whatever the dead left.
    expect(report.added).toBe(ROUNDS);
    expect((await unsealed(store, 'counter'))?.text).toBe(String(before + ROUNDS));
  });
});
