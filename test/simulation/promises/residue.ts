/** Promise: what has come to its end leaves nothing behind. */
import type { Cast } from '../faults.ts';
import { PLACE } from '../scenario.ts';

const TEMPORARY_NAME = /^\.cairn-[0-9a-f]+\.tmp$/;

/** Looks at all places where cairn keeps what is unfinished, when nothing is. */
export function checkResidue({ world, clients }: Cast): void {
  const leftAt = (machine: (typeof world)['server'], path: string): string[] => {
    const node = machine.disk.find(path);
    return node?.type === 'directory' ? [...node.entries.keys()] : [];
  };
  const places: [(typeof world)['server'], string][] = [
    [world.server, PLACE.serverState],
    [world.server, `${PLACE.serverRoot}/.cairn/staging`],
    ...clients.map(({ machine }): [typeof machine, string] => [machine, `${PLACE.state}/transfers`]),
    ...clients.map(({ machine }): [typeof machine, string] => [
      machine,
      `${PLACE.destination}/.cairn/staging`,
    ]),
  ];
  for (const [machine, path] of places) {
    // That a folder of a client is gone is not made durable: it may come back, and the next run to there removes it.
    if (machine !== world.server && world.met.has('power cut')) continue;
    // A read-only disk does not let go of a half-written record; the next start of the server does.
    const isLocked = world.met.has('read-only disk');
    const left = leftAt(machine, path).filter((name) => !isLocked || !TEMPORARY_NAME.test(name));
    if (left.length > 0)
      world.break('nothing stays behind', `${left.join(', ')} in ${path} of ${machine.name}`);
  }
  for (const { path } of world.scenario.files) {
    const folder = path.includes('/') ? `/${path.slice(0, path.lastIndexOf('/'))}` : '';
    const root =
      world.scenario.direction === 'push' ? `${PLACE.serverRoot}/${PLACE.name}` : PLACE.destination;
    const machines =
      world.scenario.direction === 'push' ? [world.server] : clients.map(({ machine }) => machine);
    for (const machine of machines) {
      const strange = leftAt(machine, `${root}${folder}`).filter((name) => name.includes('.tmp'));
      if (strange.length > 0) world.break('nothing stays behind', `${strange.join(', ')} beside ${path}`);
    }
  }
}
