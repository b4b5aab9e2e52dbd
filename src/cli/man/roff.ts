/** Text as groff(1) and mandoc(1) read it, with the macros of man(7). */

/** What groff would turn into a typographic sign, and a shell would not understand then. */
const TYPOGRAPHIC: Readonly<Record<string, string>> = {
  '-': String.raw`\-`,
  '~': String.raw`\(ti`,
  '^': String.raw`\(ha`,
  "'": String.raw`\(aq`,
  '`': String.raw`\(ga`,
};

/** Plain text: nothing in it is a request, and what is an example can be copied. */
export function escaped(text: string): string {
  const body = text
    .replaceAll('\\', String.raw`\e`)
    .replaceAll(/[-~^'`]/g, (sign) => TYPOGRAPHIC[sign] ?? sign)
    .replaceAll('…', '...');
  return body.startsWith('.') ? String.raw`\&${body}` : body;
}

/** A word of a macro's line. */
export function quoted(text: string): string {
  return `"${escaped(text).replaceAll('"', String.raw`\(dq`)}"`;
}

/** The head of a page. */
export function titleLines(name: string, sectionNumber: number, version: string): string[] {
  return [
    `.TH ${quoted(name.toUpperCase())} ${sectionNumber} "" ${quoted(`cairn ${version}`)} "User Commands"`,
    '.nh',
  ];
}

/** A section. */
export function section(title: string, lines: readonly string[]): string[] {
  return lines.length === 0 ? [] : [`.SH ${quoted(title)}`, ...lines];
}

/** A term, and what it is. */
export function item(term: string, description: string): string[] {
  return ['.TP', `.B ${quoted(term)}`, escaped(description)];
}

/** Lines that are kept as they are, to be copied. */
export function example(lines: readonly string[]): string[] {
  return ['.PP', '.RS 2', '.nf', ...lines.map(escaped), '.fi', '.RE'];
}

/** A paragraph. */
export function paragraph(text: string): string[] {
  return ['.PP', escaped(text)];
}
