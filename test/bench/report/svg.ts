/** The parts of an SVG drawing that charts are made of. */

const ESCAPES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' };

/** Text that may stand in an element or attribute. */
export const escaped = (text: string): string => text.replaceAll(/[&<>"]/g, (sign) => ESCAPES[sign]!);

type Attributes = Readonly<Record<string, string | number>>;

const attributesOf = (attributes: Attributes): string =>
  Object.entries(attributes)
    .map(
      ([name, value]) =>
        ` ${name}="${typeof value === 'number' ? Number(value.toFixed(2)) : escaped(value)}"`,
    )
    .join('');

/** An element without content. */
export const shape = (name: string, attributes: Attributes): string =>
  `<${name}${attributesOf(attributes)}/>`;

/** A line of text. */
export const label = (x: number, y: number, text: string, attributes: Attributes = {}): string =>
  `<text${attributesOf({ x, y, ...attributes })}>${escaped(text)}</text>`;

/** A straight line. */
export const stroke = (
  from: readonly [number, number],
  to: readonly [number, number],
  attributes: Attributes,
): string => shape('line', { x1: from[0], y1: from[1], x2: to[0], y2: to[1], ...attributes });

/** The whole drawing, readable on light and dark pages. */
export function drawing(width: number, height: number, parts: readonly string[]): string {
  const head = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" font-family="sans-serif" font-size="12" fill="#222">`;
  return [head, shape('rect', { width, height, fill: '#fff' }), ...parts, '</svg>', ''].join('\n');
}

/** Maps `[from, to]` to `[start, end]` by the logarithm. */
export function logScale(
  domain: readonly [number, number],
  range: readonly [number, number],
): (value: number) => number {
  const [low, high] = domain.map(Math.log10) as [number, number];
  return (value) => range[0] + ((Math.log10(value) - low) / (high - low || 1)) * (range[1] - range[0]);
}

/** The powers of ten around these positive values. */
export function decadesAround(values: readonly number[]): [number, number] {
  const logs = values.map(Math.log10);
  const low = Math.floor(Math.min(...logs));
  return [10 ** low, 10 ** Math.max(Math.ceil(Math.max(...logs)), low + 1)];
}

/** All powers of ten from the first to the last. */
export function decades([low, high]: readonly [number, number]): number[] {
  const count = Math.round(Math.log10(high / low)) + 1;
  return Array.from({ length: count }, (_, at) => low * 10 ** at);
}
