/** In place of `xxhash-wasm`: the same code, compiled once, since compiling is work outside of virtual time. */
import xxhash from 'xxhash-wasm';

let loaded: Awaited<ReturnType<typeof xxhash>> | undefined;

/** To be awaited before the first world begins. */
export async function preloadHash(): Promise<void> {
  loaded = await xxhash();
}

export default function load(): Promise<Awaited<ReturnType<typeof xxhash>>> {
  if (loaded === undefined) throw new Error('the hash is not loaded yet');
  return Promise.resolve(loaded);
}
