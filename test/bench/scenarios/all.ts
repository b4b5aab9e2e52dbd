/** Every scenario, in the order in which they run. */
import { changed } from './changed.ts';
import { delta } from './delta.ts';
import { largeFile } from './large-file.ts';
import { longLines } from './long-line.ts';
import { memory } from './memory.ts';
import { resume } from './resume.ts';
import type { Scenario } from './scenario.ts';
import { sessions } from './sessions.ts';
import { smallFiles } from './small-files.ts';
import { startup } from './startup.ts';

/** Every scenario. */
export const SCENARIOS: readonly Scenario[] = [
  startup,
  ...largeFile,
  ...smallFiles,
  ...longLines,
  resume,
  delta,
  changed,
  ...memory,
  sessions,
];
