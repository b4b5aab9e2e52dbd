// Uploads a file in one stream: node tus-client.js MODULES FILE ENDPOINT
import { createReadStream, statSync } from 'node:fs';
import path from 'node:path';
import { pathToFileURL } from 'node:url';

const [, , modules = '', file = '', endpoint = ''] = process.argv;
const entry = path.join(modules, 'tus-js-client/lib.esm/node/index.js');
const { Upload } = await import(pathToFileURL(entry).href);
const upload = new Upload(createReadStream(file), {
  endpoint,
  uploadSize: statSync(file).size,
  retryDelays: [0, 500, 1000],
  onError: (/** @type {Error} */ error) => {
    process.stderr.write(`${error.message}\n`);
    process.exitCode = 1;
  },
});
upload.start();
