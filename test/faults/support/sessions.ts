/** The server's records of sessions, as they lie on its disk. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { parseRecord } from '../../../src/session/record-schema.ts';
import type { SessionRecord } from '../../../src/session/record.ts';
import { isTerminal } from '../../../src/session/state.ts';

/** All that a server has a record of. */
export function sessionRecords(root: string): SessionRecord[] {
  const folder = path.join(root, '.cairn/sessions');
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .filter((name) => name.endsWith('.json'))
    .map((name) => parseRecord(readFileSync(path.join(folder, name), 'utf8'), name)!);
}

/** Those that are not at their end. */
export function unfinishedSessions(root: string): SessionRecord[] {
  return sessionRecords(root).filter(({ state }) => !isTerminal(state));
}
