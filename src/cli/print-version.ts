/** `cairn --version`, which every installer and script asks for, without the rest of cairn. */
import { EXIT } from '../base/errors.ts';
import { runProcess } from './edge.ts';
import { print } from './output.ts';
import { VERSION } from './version.ts';

void runProcess(() => {
  print(`${VERSION}\n`);
  return Promise.resolve(EXIT.done);
});
