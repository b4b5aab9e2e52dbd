/** Run by the build: prints the man pages as JSON. */
import { createProgram } from '../program.ts';
import { VERSION } from '../process/cairn-version.ts';
import { manPages } from './pages.ts';

process.stdout.write(
  JSON.stringify(
    manPages(
      createProgram(() => undefined),
      VERSION,
    ),
  ),
);
