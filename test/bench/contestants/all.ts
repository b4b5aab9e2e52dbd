/** Everybody, by what they are good for. */
import { aria2 } from './aria2.ts';
import { cairn } from './cairn.ts';
import type { Contestant } from './contestant.ts';
import { curl } from './curl.ts';
import { rclone } from './rclone.ts';
import { rsync } from './rsync.ts';
import { tus } from './tus.ts';

export { aria2, cairn, curl, rclone, rsync, tus };

/** All programs, for the list of versions and of what is missing. */
export const ALL: readonly Contestant[] = [cairn, rsync, rclone, curl, aria2(4), aria2(16), tus];
