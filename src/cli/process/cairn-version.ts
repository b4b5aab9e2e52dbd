import { readFileSync } from 'node:fs';

/** Set by the bundler; absent where the sources run unbundled, as in tests. */
declare const __CAIRN_VERSION__: string | undefined;

function versionOfPackage(): string {
  const text = readFileSync(new URL('../../../package.json', import.meta.url), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}

/** The version of this cairn, as `cairn --version` prints it. */
export const VERSION: string = typeof __CAIRN_VERSION__ === 'string' ? __CAIRN_VERSION__ : versionOfPackage();
