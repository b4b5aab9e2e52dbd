/** A real push over the real command line that was killed in the middle, with its server. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { onTestFinished } from 'vitest';
import { readJournal } from '../../src/checkpoint/journal-format.ts';
import { cairn, startCairn, untilLine, type CliEnvironment, type CliResult } from './cli.ts';
import { startCuttingProxy } from './cutting-proxy.ts';
import { startDiskServer, type DiskServer } from './servers.ts';
import { temporaryDirectory, writeRandomFile } from './trees.ts';

const MIB = 1024 * 1024;

/** What the push was of, and what it left behind. */
export interface InterruptedPush {
  /** Not running. */
  readonly server: DiskServer;
  readonly root: string;
  /** The only session of the server. */
  readonly sessionId: string;
  /** Its record's file. */
  readonly record: string;
  /** Its staging folder. */
  readonly staging: string;
  /** The file that was being pushed. */
  readonly source: string;
  readonly environment: CliEnvironment;
  /** The words after `cairn`. */
  readonly args: readonly string[];
  /** Starts the server and runs the same push again. */
  finish(): Promise<CliResult>;
}

/** What is there already; whatever is missing is made. */
interface Places {
  readonly server?: DiskServer;
  readonly environment?: CliEnvironment;
  readonly sourceFolder?: string;
}

/** Pushes a file in chunks of 64 KiB and kills both sides when some of them are durable. */
export async function interruptPush(sizeBytes = 2 * MIB, places: Places = {}): Promise<InterruptedPush> {
  const server = places.server ?? (await startDiskServer());
  const proxy = await startCuttingProxy({ targetPort: server.port, bytesPerSecond: MIB });
  onTestFinished(() => proxy.close());
  const source = path.join(places.sourceFolder ?? temporaryDirectory(), 'file');
  writeRandomFile(source, sizeBytes);
  const environment = places.environment ?? { stateHome: temporaryDirectory(), token: server.token };
  const url = `http://127.0.0.1:${proxy.port}/file`;
  // Each chunk is a sync point, and few of them are on their way, so that there soon are some.
  const few = ['--chunk-size', '64K', '--sync', 'always', '--parallel', '4'];
  const args = ['push', '--json', ...few, source, url];
  const run = startCairn(args, environment);
  await untilLine(run, (line) => line['phase'] === 'transferring');
  const { root } = server;
  const records = path.join(root, '.cairn/sessions');
  const sessionId = path.basename(
    readdirSync(records).find((name) => name.endsWith('.json'))!,
    '.json',
  );
  const staging = path.join(root, '.cairn/staging', sessionId);
  const journal = path.join(staging, 'journal');
  await untilRecords(journal, 6);
  run.child.kill('SIGKILL');
  await server.kill();
  await run.result;
  return {
    server,
    root,
    sessionId,
    record: path.join(records, `${sessionId}.json`),
    staging,
    source,
    environment,
    args,
    finish: async () => {
      await server.start();
      return cairn(args, environment);
    },
  };
}

async function untilRecords(journal: string, count: number): Promise<void> {
  for (let attempt = 0; attempt < 1000; attempt += 1) {
    if (existsSync(journal) && readJournal(readFileSync(journal)).records.length >= count) return;
    await sleep(10);
  }
  throw new Error('the push made no sync points');
}
