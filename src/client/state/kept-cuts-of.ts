/** Where a client keeps the recipes of large files: `<stateHome>/cuts/`. */
import { join } from 'node:path';
import { type KeptCuts, openKeptCuts } from '../../storage/state/kept-cuts.ts';

const NOTHING: KeptCuts = {
  find: async () => undefined,
  keep: async () => undefined,
  forget: async () => undefined,
  clear: async () => undefined,
};

/** The recipes that are kept in a state home; none where nothing is kept. */
export function keptCutsOf({ stateHome }: { readonly stateHome?: string | undefined }): KeptCuts {
  return stateHome === undefined ? NOTHING : openKeptCuts(join(stateHome, 'cuts'));
}
