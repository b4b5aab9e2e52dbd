/** TOML with places: the values of a text, and the line and column of each of them. */
import { ParseError, parseTOML, type AST } from 'toml-eslint-parser';

/** Where something stands in a text; both count from 1, columns in UTF-16 units as editors do. */
export interface Place {
  readonly line: number;
  readonly column: number;
}

/** What is wrong in a text, and where. */
export interface Mistake extends Place {
  readonly message: string;
}

/** The keys and indexes that lead to a value. */
export type TomlPath = readonly (string | number)[];

/** A table of values; it has no prototype, since its keys may be called `__proto__`. */
export type TomlTable = Record<string, unknown>;

/** The values of a text, and their places. */
export interface PlacedToml {
  readonly root: TomlTable;
  /** Where a value stands; where the text has none, the place of what it would stand in. */
  placeOf(path: TomlPath): Place;
  /** Where the key of a value stands. */
  placeOfKey(path: TomlPath): Place;
}

type Places = Map<string, Place>;

const START: Place = { line: 1, column: 1 };

/** What is gathered while a text is read. */
interface Reading {
  readonly root: TomlTable;
  readonly values: Places;
  readonly keys: Places;
}

/** The values of a TOML text with their places, or the first mistake that keeps it from being TOML. */
export function parsePlacedToml(text: string): PlacedToml | Mistake {
  const reading: Reading = { root: newTable(), values: new Map(), keys: new Map() };
  const { root, values, keys } = reading;
  try {
    for (const node of parseTOML(text).body[0].body) {
      if (node.type === 'TOMLKeyValue') addPair(reading, node, [], root);
      else addTable(reading, node);
    }
  } catch (error) {
    if (error instanceof ParseError) return mistakeOf(error);
    // The only other way to fail: its parser calls itself for each level.
    if (error instanceof RangeError) return { ...START, message: 'the values are nested too deep' };
    throw error;
  }
  return {
    root,
    placeOf: (path) => nearest(values, path),
    placeOfKey: (path) => keys.get(JSON.stringify(path)) ?? nearest(values, path),
  };
}

function nearest(places: Places, path: TomlPath): Place {
  for (let length = path.length; length > 0; length -= 1) {
    const found = places.get(JSON.stringify(path.slice(0, length)));
    if (found !== undefined) return found;
  }
  return START;
}

function addTable(reading: Reading, { resolvedKey, key, body, loc }: AST.TOMLTable): void {
  note(reading.values, resolvedKey, loc);
  key.keys.forEach((each, index) => noteFirst(reading.keys, resolvedKey.slice(0, index + 1), each.loc));
  const table = tableAt(reading.root, resolvedKey);
  for (const pair of body) addPair(reading, pair, resolvedKey, table);
}

/** `key = value`, where the key may be `a.b.c`. */
function addPair(reading: Reading, pair: AST.TOMLKeyValue, above: TomlPath, table: TomlTable): void {
  const names = pair.key.keys.map((each) => (each.type === 'TOMLBare' ? each.name : each.value));
  pair.key.keys.forEach(({ loc }, index) => {
    const path = [...above, ...names.slice(0, index + 1)];
    noteFirst(reading.keys, path, loc);
    noteFirst(reading.values, path, loc);
  });
  const value = valueOf(reading, pair.value, [...above, ...names]);
  tableAt(table, names.slice(0, -1))[names.at(-1)!] = value;
}

function valueOf(reading: Reading, node: AST.TOMLContentNode, path: TomlPath): unknown {
  note(reading.values, path, node.loc);
  if (node.type === 'TOMLArray')
    return node.elements.map((element, index) => valueOf(reading, element, [...path, index]));
  if (node.type === 'TOMLValue') return node.value;
  const table = newTable();
  for (const pair of node.body) addPair(reading, pair, path, table);
  return table;
}

function newTable(): TomlTable {
  return Object.create(null) as TomlTable;
}

/** The table at a path below another one, made where it is missing; the parser has refused what cannot be one. */
function tableAt(root: TomlTable, path: TomlPath): TomlTable {
  let table: TomlTable = root;
  path.forEach((step, index) => {
    const isOfArray = typeof path[index + 1] === 'number';
    table = (table[step] ??= isOfArray ? [] : newTable()) as TomlTable;
  });
  return table;
}

function note(places: Places, path: TomlPath, { start }: AST.SourceLocation): void {
  places.set(JSON.stringify(path), { line: start.line, column: start.column + 1 });
}

function noteFirst(places: Places, path: TomlPath, loc: AST.SourceLocation): void {
  if (!places.has(JSON.stringify(path))) note(places, path, loc);
}

function mistakeOf({ lineNumber, column, message }: ParseError): Mistake {
  return {
    line: lineNumber,
    column: column + 1,
    message: `${message.charAt(0).toLowerCase()}${message.slice(1)}`,
  };
}
