/** Every scenario, in the order in which they run. */
import { largeFile } from './large-file.ts';
import type { Scenario } from './scenario.ts';
import { smallFiles } from './small-files.ts';
import { startup } from './startup.ts';

/** Every scenario. */
export const SCENARIOS: readonly Scenario[] = [startup, ...largeFile, ...smallFiles];
