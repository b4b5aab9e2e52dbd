/** Writes the report, its charts and its data into a folder. */
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { growthChart } from './growth-chart.ts';
import { markdownOf, type Chart } from './markdown.ts';
import { ratioChart } from './ratio-chart.ts';
import type { Report } from './report.ts';

/** Writes `report.md`, `results.json` and the charts; answers where the report is. */
export function writeReport(folder: string, report: Report): string {
  mkdirSync(folder, { recursive: true });
  const write = (name: string, text: string): void => writeFileSync(path.join(folder, name), text);
  const ratios = ratioChart(report.scenarios);
  if (ratios !== undefined) write('ratios.svg', ratios);
  const growths = report.scenarios
    .flatMap((scenario) => scenario.growths ?? [])
    .map((growth): Chart => {
      const file = `growth-${growth.title.replaceAll(' ', '-')}.svg`;
      write(file, growthChart(growth));
      return { file, title: growth.title };
    });
  const chart =
    ratios === undefined ? undefined : { file: 'ratios.svg', title: 'time of cairn / time of the peer' };
  write('results.json', `${JSON.stringify(report, null, 1)}\n`);
  write('report.md', markdownOf(report, chart, growths));
  return path.join(folder, 'report.md');
}
