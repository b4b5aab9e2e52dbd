/** `cairn --version`, which every installer and script asks for, without the rest of cairn. */
import { EXIT } from '../base/errors.ts';
import { runProcess } from './process/edge.ts';
import { printAside } from './process/output.ts';
import { VERSION } from './process/cairn-version.ts';

void runProcess(() => {
  printAside(`${VERSION}\n`);
  return Promise.resolve(EXIT.done);
});
