/** A process that adds names to one document of a state directory, and says each once it is there: `node changer.mjs DIRECTORY NAME`. */
import * as v from 'valibot';
import { createFileState } from '../../../src/storage/state/files/file-state.ts';
import { openDocument, type DocumentKind } from '../../../src/storage/state/typed-document.ts';

/** The document that commands change beside a server. */
export const NAMES: DocumentKind<readonly string[]> = {
  key: 'a/tokens',
  schema: v.pipe(v.string(), v.parseJson(), v.array(v.string())),
  format: (names) => JSON.stringify(names),
  unreadable: (where) => `there are no names in "${where}"`,
};

const [directory, name] = process.argv.slice(2);
// The kind above is also that of the test.
if (directory !== undefined && name?.startsWith('changer-') === true) {
  const names = await openDocument(createFileState(directory), NAMES);
  for (let round = 0; ; round += 1) {
    const added = `${name}.${round}`;
    await names.change((now = []) => [...now, added]);
    process.stdout.write(`${added}\n`);
  }
}
