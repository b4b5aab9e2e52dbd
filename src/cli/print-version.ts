/** `cairn --version`, which every installer and script asks for, without the rest of cairn. */
import { EXIT } from '../base/errors.ts';
import { runProcess } from './edge.ts';
import { printAside } from './output.ts';
import { VERSION } from './version.ts';

void runProcess(() => {
  printAside(`${VERSION}\n`);
  return Promise.resolve(EXIT.done);
});
