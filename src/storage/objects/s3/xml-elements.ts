/** Reads the XML of an answer into elements, within bounds: the other side is hostile until checked. */
import sax from 'sax';
import { CairnError } from '../../../base/errors.ts';

/** An element with its text and its children; attributes mean nothing in these answers. */
export interface XmlElement {
  readonly name: string;
  readonly text: string;
  readonly children: readonly XmlElement[];
}

interface Growing extends XmlElement {
  text: string;
  readonly children: Growing[];
}

const MAX_DEPTH = 10;
/** A page of a listing has at most 1000 objects, each with some ten elements. */
const MAX_ELEMENTS = 50_000;

/** The outermost element. @throws CairnError `storage-io` for a text that is no XML, or beyond the bounds */
export function parseXml(text: string): XmlElement {
  const parser = sax.parser(true);
  const top: Growing = { name: '', text: '', children: [] };
  const open: Growing[] = [top];
  let elements = 0;
  const addText = (more: string): void => {
    const element = open.at(-1);
    if (element !== undefined) element.text += more;
  };
  Object.assign(parser, {
    onerror: (cause: Error) => {
      throw unreadable('it is no XML', cause);
    },
    ondoctype: () => {
      throw unreadable('it has a document type');
    },
    onopentag: ({ name }: sax.Tag) => {
      elements += 1;
      if (open.length > MAX_DEPTH || elements > MAX_ELEMENTS) throw unreadable('it has too many elements');
      // Some services put a prefix of their namespace before each name.
      const element: Growing = { name: name.slice(name.indexOf(':') + 1), text: '', children: [] };
      open.at(-1)?.children.push(element);
      open.push(element);
    },
    onclosetag: () => open.pop(),
    ontext: addText,
    oncdata: addText,
  });
  parser.write(text).close();
  const [root] = top.children;
  if (root === undefined) throw unreadable('it is empty');
  return root;
}

/** The text of the first child of a name; undefined where there is none. */
export function textIn({ children }: XmlElement, name: string): string | undefined {
  return children.find((child) => child.name === name)?.text;
}

function unreadable(why: string, cause?: unknown): CairnError {
  return new CairnError('storage-io', `an answer of the store cannot be read: ${why}`, { cause });
}
