/** PROTOCOL.md says what the code does. `CAIRN_WRITE_FIXTURES=1` rewrites its generated part. */
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { ERROR_TABLE, type ErrorTraits } from '../../src/base/errors.ts';
import { ROUTE } from '../../src/wire/routes.ts';

const DOCUMENT = path.resolve(import.meta.dirname, '../../src/wire/PROTOCOL.md');
const GENERATED = /(<!-- errors:begin[^>]*-->\n)([\s\S]*)(<!-- errors:end -->)/;

function errorTable(): string {
  const rows = Object.entries(ERROR_TABLE).map(
    ([code, { httpStatus, exitCode, retry }]: [string, ErrorTraits]) => [
      `\`${code}\``,
      String(httpStatus),
      String(exitCode),
      retry,
    ],
  );
  const table = [['code', 'HTTP status', 'exit code', 'retry'], ...rows];
  const widths = [0, 1, 2, 3].map((column) => Math.max(...table.map((row) => row[column]!.length)));
  const line = (row: string[]): string =>
    `| ${row.map((cell, column) => cell.padEnd(widths[column]!)).join(' | ')} |`;
  const rule = `| ${widths.map((width) => '-'.repeat(width)).join(' | ')} |`;
  return `\n${[line(table[0]!), rule, ...table.slice(1).map(line)].join('\n')}\n\n`;
}

test('the table of errors in PROTOCOL.md is the one in the code', () => {
  const text = readFileSync(DOCUMENT, 'utf8');
  if (process.env['CAIRN_WRITE_FIXTURES'] === '1') {
    writeFileSync(
      DOCUMENT,
      text.replace(GENERATED, (_, begin: string, __, end: string) => begin + errorTable() + end),
    );
    return;
  }
  expect(GENERATED.exec(text)?.[2]).toBe(errorTable());
});

test('PROTOCOL.md describes every route', () => {
  const text = readFileSync(DOCUMENT, 'utf8');
  const paths = {
    ...Object.fromEntries(
      Object.entries(ROUTE).map(([name, route]) => [name, (route as (id: string) => string)('{id}')]),
    ),
    chunk: ROUTE.chunk('{id}', 0).replace(/0$/, '{n}'),
    grant: ROUTE.grant('{grant}'),
    tree: 'tree?path=P&recursive=0\\|1',
  };
  for (const route of Object.values(paths)) expect(text).toContain(`${route}\``);
});
