/** A push that was killed in the middle, to damage what it left behind again and again. */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import path from 'node:path';
import type { CliResult } from '../../support/cli.ts';
import { interruptPush, type InterruptedPush } from '../../support/interrupted-push.ts';
import { temporaryDirectory } from '../../support/trees.ts';
import { checkBackToStart } from '../support/back-to-start.ts';
import { Violation } from '../support/violation.ts';
import { createWorld, workFolder, type World } from '../support/world.ts';

/** What lies on the disk between two runs. */
export interface StoppedPush extends InterruptedPush {
  /** Where it was; its server does not run. */
  readonly world: World;
  readonly content: Buffer;
  /** The server's journal. */
  readonly journal: string;
  /** The client's journal, and its record. */
  readonly clientJournal: string;
  readonly clientRecord: string;
  /** Puts everything back to where the push was stopped; the server must not run. */
  restore(): void;
  /** Whether what was pushed is published, whole. */
  isPublished(): boolean;
}

/** Stops a push and keeps a copy of all that both sides have. */
export async function stopPush(): Promise<StoppedPush> {
  const world = await createWorld();
  const push = await interruptPush(5 * 1024 * 1024, {
    server: world.server,
    environment: world.environment,
    sourceFolder: workFolder(world, 'source'),
  });
  const { stateHome } = push.environment;
  const copies = temporaryDirectory();
  const kept = [push.root, stateHome].map(
    (directory, at) => [directory, path.join(copies, String(at))] as const,
  );
  for (const [directory, copy] of kept) execFileSync('cp', ['-a', directory, copy]);
  const content = readFileSync(push.source);
  const [key] = readdirSync(path.join(stateHome, 'transfers'));
  const folder = path.join(stateHome, 'transfers', key!);
  return {
    ...push,
    world,
    content,
    finish: async () => {
      await push.server.start();
      return world.run(push.args);
    },
    journal: path.join(push.staging, 'journal'),
    clientJournal: path.join(folder, 'journal'),
    clientRecord: path.join(folder, 'transfer.json'),
    restore: () => {
      for (const [directory, copy] of kept) {
        rmSync(directory, { recursive: true, force: true });
        mkdirSync(directory, { mode: 0o700 });
        execFileSync('cp', ['-a', `${copy}/.`, directory]);
      }
    },
    isPublished: () => {
      const file = path.join(push.root, 'file');
      return existsSync(file) && readFileSync(file).equals(content);
    },
  };
}

/** The push was finished: it ends with 0, the file is there, and nothing else is left of it. */
export async function checkFinished(push: StoppedPush, result: CliResult): Promise<void> {
  if (result.exitCode !== 0)
    throw new Violation(
      'unclear',
      `exit ${result.exitCode}: ${result.stderr}\n${push.server.log().slice(-2000)}`,
    );
  if (!push.isPublished())
    throw new Violation('false-success', 'exit 0, and what is published is something else');
  await checkBackToStart(push.world);
}

/** Starts the server over a state that was made odd; answers how it ended, or stops it where it serves. */
export async function startOver(
  { root, world }: StoppedPush,
  before: readonly string[] = [],
): Promise<CliResult | 'serves'> {
  const run = world.start(['serve', '--root', root, '--listen', '127.0.0.1:0'], { before });
  const serves = new Promise<'serves'>((resolve) => {
    run.child.stdout!.on('data', (bytes: Buffer) => {
      if (bytes.toString().includes('"listening"')) resolve('serves');
    });
  });
  const outcome = await Promise.race([serves, run.result]);
  run.child.kill('SIGTERM');
  await run.result;
  return outcome;
}
