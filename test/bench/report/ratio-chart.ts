/** One bar for each scenario and peer: cairn's time divided by the peer's. */
import { medianRun, type Row, type ScenarioResult } from '../result.ts';
import { ratio } from './numbers.ts';
import { decades, decadesAround, drawing, label, logScale, shape, stroke } from './svg.ts';

interface Bar {
  readonly scenario: string;
  readonly peer: string;
  readonly value: number;
}

const LEFT = 290;
const WIDTH = 860;
const ROW = 20;
const TOP = 56;
/** Bars beyond these would leave no room for the others; their numbers stay. */
const LONGEST = [0.02, 50] as const;
const FASTER = '#2a7f4f';
const SLOWER = '#b4552d';

function barsOf({ name, rows, bytes }: ScenarioResult): Bar[] {
  const perByte = (row: Row): number => medianRun(row.runs).wallS / (row.bytes ?? bytes ?? 1);
  const ours = rows.find(({ contestant }) => contestant === 'cairn');
  if (ours === undefined) return [];
  const peers = rows.filter((row) => row !== ours);
  return peers.map((row) => ({ scenario: name, peer: row.contestant, value: perByte(ours) / perByte(row) }));
}

/** The chart; undefined where cairn met no peer. */
export function ratioChart(scenarios: readonly ScenarioResult[]): string | undefined {
  const bars = scenarios.flatMap(barsOf);
  if (bars.length === 0) return undefined;
  const clipped = (value: number): number => Math.min(Math.max(value, LONGEST[0]), LONGEST[1]);
  const domain = decadesAround([...bars.map(({ value }) => clipped(value)), 1]);
  const scale = logScale(domain, [LEFT, WIDTH - 70]);
  const x = (value: number): number => scale(clipped(value));
  const bottom = TOP + bars.length * ROW + 6;
  const parts = [
    label(16, 24, 'Time of cairn / time of the peer', { 'font-size': 16, 'font-weight': 'bold' }),
    label(16, 42, 'left of 1: cairn is faster; medians of one run'),
  ];
  for (const at of decades(domain)) {
    parts.push(stroke([scale(at), TOP], [scale(at), bottom], { stroke: at === 1 ? '#222' : '#ccc' }));
    parts.push(label(scale(at), bottom + 16, `${at}`, { 'text-anchor': 'middle' }));
  }
  for (const [at, { scenario, peer, value }] of bars.entries()) {
    const y = TOP + at * ROW + 4;
    const [left, right] = [Math.min(x(1), x(value)), Math.max(x(1), x(value))];
    const fill = value <= 1 ? FASTER : SLOWER;
    const isFirst = scenario !== bars[at - 1]?.scenario;
    if (isFirst) parts.push(label(16, y + 11, scenario, { 'font-weight': 'bold' }));
    parts.push(label(LEFT - 10, y + 11, peer, { 'text-anchor': 'end' }));
    parts.push(shape('rect', { x: left, y, width: Math.max(right - left, 1), height: ROW - 7, fill }));
    const beside = value <= 1 ? { x: left - 5, anchor: 'end' } : { x: right + 5, anchor: 'start' };
    // Beside a bar that ends at the names the number stands on its other side.
    const isTight = value <= 1 && left - LEFT < 40;
    parts.push(
      isTight
        ? label(x(1) + 5, y + 11, ratio(value))
        : label(beside.x, y + 11, ratio(value), { 'text-anchor': beside.anchor }),
    );
  }
  return drawing(WIDTH, bottom + 28, parts);
}
