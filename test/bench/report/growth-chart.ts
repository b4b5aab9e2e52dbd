/** How time, CPU and memory grow with the amount of work: one panel each, both axes logarithmic. */
import type { Growth } from '../result.ts';
import { drawing, decades, decadesAround, label, logScale, shape, stroke } from './svg.ts';

interface Panel {
  readonly title: string;
  readonly lines: readonly {
    readonly name: string;
    readonly color: string;
    readonly values: readonly number[];
  }[];
}

const PANEL = { width: 300, height: 230, left: 56, right: 14, top: 64, bottom: 40 };
const COLORS = { wall: '#333', client: '#2a7f4f', server: '#b4552d' };
/** What a clock tick cannot tell from nothing. */
const LEAST = 0.01;
const BYTES_PER_MB = 1_000_000;

function panelsOf({ points }: Growth): Panel[] {
  const of = (pick: (point: Growth['points'][number]['run']) => number): number[] =>
    points.map(({ run }) => Math.max(pick(run), LEAST));
  return [
    {
      title: 'wall time, s',
      lines: [{ name: 'both sides', color: COLORS.wall, values: of((run) => run.wallS) }],
    },
    {
      title: 'CPU time, s',
      lines: (['client', 'server'] as const).map((side) => ({
        name: side,
        color: COLORS[side],
        values: of((run) => run[side].cpuS),
      })),
    },
    {
      title: 'peak memory, MB',
      lines: (['client', 'server'] as const).map((side) => ({
        name: side,
        color: COLORS[side],
        values: of((run) => run[side].peakBytes / BYTES_PER_MB),
      })),
    },
  ];
}

const short = (value: number): string =>
  value >= 1e6
    ? `${value / 1e6}M`
    : value >= 1000
      ? `${value / 1000}k`
      : String(Number(value.toPrecision(2)));

function drawPanel({ title, lines }: Panel, amounts: readonly number[], atX: number): string[] {
  const { width, height, left, right, top, bottom } = PANEL;
  const across = decadesAround(amounts);
  const up = decadesAround(lines.flatMap(({ values }) => values));
  const x = logScale(across, [atX + left, atX + width - right]);
  const y = logScale(up, [top + height - bottom, top + 18]);
  const parts = [label(atX + left, top + 8, title, { 'font-weight': 'bold' })];
  for (const value of decades(up)) {
    parts.push(stroke([x(across[0]), y(value)], [x(across[1]), y(value)], { stroke: '#ddd' }));
    parts.push(label(x(across[0]) - 6, y(value) + 4, short(value), { 'text-anchor': 'end' }));
  }
  for (const value of decades(across)) {
    parts.push(stroke([x(value), y(up[0])], [x(value), y(up[1])], { stroke: '#eee' }));
    parts.push(label(x(value), y(up[0]) + 16, short(value), { 'text-anchor': 'middle' }));
  }
  for (const [at, { name, color, values }] of lines.entries()) {
    const points = values.map((value, point) => `${x(amounts[point]!).toFixed(1)},${y(value).toFixed(1)}`);
    parts.push(
      shape('polyline', { 'points': points.join(' '), 'fill': 'none', 'stroke': color, 'stroke-width': 2 }),
    );
    for (const [point, value] of values.entries())
      parts.push(shape('circle', { cx: x(amounts[point]!), cy: y(value), r: 3, fill: color }));
    if (lines.length > 1) parts.push(label(x(across[0]) + 8, y(up[1]) + 14 + at * 14, name, { fill: color }));
  }
  return parts;
}

/** The chart of one growth. */
export function growthChart(growth: Growth): string {
  const amounts = growth.points.map(({ amount }) => amount);
  const panels = panelsOf(growth);
  const parts = panels.flatMap((panel, at) => drawPanel(panel, amounts, at * PANEL.width));
  const heading = `cairn: ${growth.title}, by ${growth.unit}`;
  const title = label(16, 24, heading, { 'font-size': 16, 'font-weight': 'bold' });
  return drawing(PANEL.width * panels.length, PANEL.top + PANEL.height, [title, ...parts]);
}
