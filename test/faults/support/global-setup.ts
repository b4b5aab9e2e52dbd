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
    const reports = readReport(file);
    const table = tableOf(reports);
    rmSync(directory, { recursive: true, force: true });
    process.stdout.write(`\n${table}\n`);
    const keep = process.env['CAIRN_FAULT_TABLE'];
    if (keep !== undefined) writeFileSync(keep, `${table}\n`);
    if (process.env['CAIRN_FAULT_SEED'] === undefined || reports.some(({ runs }) => runs > 0)) return;
    process.exitCode = 1;
    throw new Error('CAIRN_FAULT_SEED is set, and no case ran: is its file or its title another one?');
  };
}
