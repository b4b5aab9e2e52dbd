/** What both sides have in common when one of them is killed and the transfer goes on. */
import type { ChildProcess } from 'node:child_process';
import { readdir, utimes } from 'node:fs/promises';
import path from 'node:path';
import type { CliResult } from '../../support/cli.ts';
import { checkBackToStart, eventually } from '../support/back-to-start.ts';
import type { FaultRun } from '../support/campaign.ts';
import { unfinishedSessions } from '../support/sessions.ts';
import { Violation } from '../support/violation.ts';
import { checkOver, endLeases, rememberedSessions } from './disk.ts';
import type { Scene } from './scenario.ts';

/** What a case looks at in between. */
export interface KillHooks {
  /** When a side was killed, and the other one can do nothing. */
  readonly afterKill?: (scene: Scene) => void;
  /** When the transfer is over and the server still runs. */
  readonly atEnd?: (scene: Scene) => Promise<void>;
}

/** Bytes of the payload that crossed the wire in a run. */
export function movedBytes({ last }: CliResult): number {
  return Number(last['bytesSent'] ?? last['bytesReceived']);
}

/** The client said that all is well. */
export function checkEndedWell({ world }: Scene, result: CliResult): void {
  if (result.exitCode === 0) return;
  const told = `${JSON.stringify(result.last)}\n${result.stderr}\n${world.server.log()}`;
  throw new Violation('unclear', `the transfer did not end well: exit ${result.exitCode}, ${told}`);
}

/** The server, which runs, closes and frees what it had for a transfer that is over; ends it. */
export async function checkIdle(scene: Scene): Promise<void> {
  const { world, scenario, target } = scene;
  await checkBackToStart(world, scenario.direction === 'pull' ? { destination: target } : {});
  await eventually(() => checkOver(scene));
  await endServer(scene);
  checkOver(scene);
  world.checkSurroundings();
}

/**
 * A client that dies before it could write down which session it has leaves one that nobody knows: its lease ends it
 * and frees all that it had. Answers how many there were.
 *
 * @param remembered sessions that a client knew when it died: they must not be left
 */
export async function outliveForgotten(scene: Scene, remembered: ReadonlySet<string>): Promise<number> {
  const { server, root } = scene.world;
  const forgotten = unfinishedSessions(root).filter(({ id }) => !remembered.has(id));
  if (forgotten.length === 0) return 0;
  await endServer(scene);
  endLeases(root, forgotten);
  await server.start();
  return forgotten.length;
}

/** Notes the sessions that clients which were just killed would go on with. */
export function remember({ world }: Scene, remembered: Set<string>): void {
  for (const session of rememberedSessions(world.clientHome)) remembered.add(session);
}

/** Ends the server in order. */
async function endServer({ world }: Scene): Promise<void> {
  const { exitCode, signal } = await world.server.stop();
  if (exitCode !== 0) throw new Violation('unclear', `the server ended with ${exitCode ?? signal}`);
}

/** What was in no checkpoint at a kill may be sent twice, and nothing else. */
export function checkSentTwice(run: FaultRun, movedTwice: number, mayMove: number): void {
  run.add('bytes sent twice', movedTwice);
  run.add('of at most', mayMove);
  if (movedTwice > mayMove)
    throw new Violation(
      'lost',
      `${movedTwice} bytes were sent twice, ${mayMove} were in no checkpoint`,
      movedTwice,
    );
}

/** What a killed server was writing into a folder that it shares with others is taken for left over after a while. */
export async function letAnHourPass(stateHome: string): Promise<void> {
  const folder = path.join(stateHome, 'servers');
  const names = await readdir(folder).catch(() => []);
  for (const name of names) await utimes(path.join(folder, name), 1, 1);
}

/** A process that signals can be sent to as long as it is there. */
type Stoppable = Pick<ChildProcess, 'kill'>;

/** The process of the server, which runs. */
export function serverOf({ world }: Scene): Stoppable {
  return { kill: (signal) => process.kill(world.server.pid()!, signal) };
}

/** Runs `work` while a process, if it is still there, cannot do anything. */
export async function whileFrozen<T>(stoppable: Stoppable, work: () => Promise<T>): Promise<T> {
  stoppable.kill('SIGSTOP');
  try {
    return await work();
  } finally {
    stoppable.kill('SIGCONT');
  }
}

/** Says before which steps the kills came after which a promise was broken. */
export async function explained<T>(steps: readonly string[], work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof Violation)) throw error;
    const what = error.message.slice(`${error.kind}: `.length);
    throw new Violation(error.kind, `${what}\nkilled before: ${steps.join(', then before: ')}`, error.amount);
  }
}
