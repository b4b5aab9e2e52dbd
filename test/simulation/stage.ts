/** Prepares what seeds run in: copies of the code under test, and hashers for those who check it. */
import { loadHasher } from '../../src/manifest/digest.ts';
import { bundleCode, type LoadedRealm, loadRealm, type Mutation } from './realm.ts';
import { NODES_REALMS } from './nodes/run-nodes-seed.ts';
import type { Stage } from './run-seed.ts';

/** Makes a stage; costs as much as some dozens of seeds. */
export async function openStage(mutation?: Mutation): Promise<Stage> {
  const text = await bundleCode(mutation);
  const [server, first, second] = [await loadRealm(text), await loadRealm(text), await loadRealm(text)];
  const hashers = { xxh64: await loadHasher('xxh64'), sha256: await loadHasher('sha256') };
  return { realms: { server, clients: [first, second] }, hashers };
}

/** Makes the realms of a world of nodes. */
export async function openNodesStage(mutation?: Mutation): Promise<readonly LoadedRealm[]> {
  const text = await bundleCode(mutation);
  const realms: LoadedRealm[] = [];
  while (realms.length < NODES_REALMS) realms.push(await loadRealm(text));
  return realms;
}
