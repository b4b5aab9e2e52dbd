/** Collects what the cases report, and prints the table when all have run. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { readReport, REPORT_VARIABLE, tableOf } from './report.ts';

/** Runs before the first suite; what it returns runs after the last one. */
export default function setup(): () => void {
  const directory = mkdtempSync(path.join(tmpdir(), 'cairn-faults-'));
  const file = path.join(directory, 'report.jsonl');
  process.env[REPORT_VARIABLE] = file;
  return () => {
    const table = tableOf(readReport(file));
    rmSync(directory, { recursive: true, force: true });
    process.stdout.write(`\n${table}\n`);
    const keep = process.env['CAIRN_FAULT_TABLE'];
    if (keep !== undefined) writeFileSync(keep, `${table}\n`);
  };
}
