/** A server takes a store only when no command works on it. */
import { expect, test } from 'vitest';
import { openServedStore } from '../../../../src/cli/commands/serve/served-store.ts';
import { holdStore } from '../../../../src/server/core/nodes/hold-store.ts';
import { readMark, writeMark } from '../../../../src/storage/copy/copy-mark.ts';
import { openDirectoryObjects } from '../../../../src/storage/objects/directory/directory-objects.ts';
import { createObjectState } from '../../../../src/storage/state/objects/object-state.ts';
import { temporaryDirectory } from '../../../support/trees.ts';

const log = { info: () => undefined, warn: () => undefined };

test('a server that is refused while a copy goes on leaves the mark of the copy alone', async () => {
  const directory = temporaryDirectory();
  const state = createObjectState(await openDirectoryObjects(directory));
  const serve = () =>
    openServedStore({ store: { directory }, state: temporaryDirectory(), redis: undefined }, log);
  await writeMark(state, { from: 'x', isWhole: true, verifiedUntilMs: 0 });
  const held = await holdStore({ state, shown: 'x' });
  await expect(serve()).rejects.toMatchObject({ code: 'state-locked' });
  expect(await readMark(state)).toMatchObject({ from: 'x' });
  await held.release();
  const served = await serve();
  expect(await readMark(state)).toBeUndefined();
  await served.closeContent();
});
