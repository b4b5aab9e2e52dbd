/** What rsync sends, both ways, to change an old file into a new one; undefined where it is not installed. */
import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, rmSync, utimesSync } from 'node:fs';
import path from 'node:path';
import type { Place } from '../place.ts';
import { programPath } from '../processes.ts';
import type { Change } from './changed-files.ts';

/** In bytes, by its own statistics. @throws Error where it fails */
export function rsyncCrossing(place: Place, { older, newer }: Change): number | undefined {
  if (programPath('rsync') === undefined) return undefined;
  const folder = path.join(place.folder, 'rsync');
  mkdirSync(folder);
  const target = path.join(folder, path.basename(newer));
  copyFileSync(older, target);
  utimesSync(target, 0, 0);
  const words = ['--no-whole-file', '--stats', '--no-human-readable', newer, target];
  const { status, stdout, stderr } = spawnSync('rsync', words, { encoding: 'utf8' });
  rmSync(folder, { recursive: true });
  if (status !== 0) throw new Error(`rsync: ${stderr}`);
  return numberAfter(stdout, 'Total bytes sent: ') + numberAfter(stdout, 'Total bytes received: ');
}

function numberAfter(text: string, words: string): number {
  const at = text.indexOf(words);
  if (at < 0) throw new Error(`rsync said nothing of "${words.trim()}"`);
  return Number.parseInt(text.slice(at + words.length).replaceAll(',', ''), 10);
}
