/** Faults of the disk at the side that only sends: its records, its journal of what is durable at the other one. */
import path from 'node:path';
import { checkBackToStart } from '../support/back-to-start.ts';
import { countInjected } from '../support/attach.ts';
import { checkAcknowledged, checkClaims, checkTreeOldOrNew } from '../support/invariants.ts';
import type { Injection } from '../support/strace.ts';
import { workFolder } from '../support/world.ts';
import {
  checkFailure,
  finish,
  pullOf,
  pushOf,
  runFaulty,
  settled,
  watchedNext,
  whileServerSuffers,
  type DiskScene,
  type Outcome,
} from './scene.ts';

/**
 * Pushes while the client suffers from `inject`, then without; checks everything in between and afterwards.
 *
 * @returns the traces of both runs of the client
 */
export async function pushThroughClientFault(
  scene: DiskScene,
  name: string,
  inject: readonly Injection[],
  outcome: Outcome,
): Promise<[faulty: string, next: string]> {
  const { world, source } = scene;
  const { root } = world;
  const stateHome = workFolder(world, `home-${name}`);
  const target = path.join(root, name);
  const { first, trace } = await runFaulty(scene, pushOf(scene, name), { ...outcome, stateHome, inject });
  checkTreeOldOrNew(target, undefined, source);
  await settled(root);
  await checkClaims(root);
  if (first.exitCode !== 0)
    outcome.given.add('acknowledged KiB', Math.round((await checkAcknowledged(stateHome, root)) / 1024));
  const { seen, traceOfNext } = watchedNext(stateHome);
  await finish(scene, pushOf(scene, name), { stateHome, target, first, seen });
  await checkBackToStart(world, { clientHomes: [stateHome] });
  return [trace, await traceOfNext()];
}

/**
 * Pulls while the server suffers from `inject`, then without; checks everything in between and afterwards.
 *
 * @returns the trace of the server
 */
export async function pullThroughServerFault(
  scene: DiskScene,
  name: string,
  inject: readonly Injection[],
  { exitCodes, given }: Outcome,
): Promise<[faulty: string, next: string]> {
  const { world, source } = scene;
  const stateHome = workFolder(world, `home-${name}`);
  const destination = path.join(workFolder(world, 'pulled'), name);
  const args = pullOf(scene, 'there', destination);
  const { result: first, trace } = await whileServerSuffers(scene, inject, () =>
    world.run(args, { stateHome }),
  );
  given.injected(countInjected(trace));
  checkFailure(first, exitCodes, 'at the server');
  checkTreeOldOrNew(destination, undefined, source);
  await checkClaims(destination);
  await finish(scene, args, { stateHome, target: destination, first });
  await checkBackToStart(world, { clientHomes: [stateHome], destination });
  return [trace, ''];
}
