// Uploads a file as the documentation of tus-js-client shows it: node tus-client.js MODULES FILE ENDPOINT CHUNK_BYTES
import { createReadStream, statSync } from 'node:fs';
import path from 'node:path';
import { pathToFileURL } from 'node:url';

const [, , modules = '', file = '', endpoint = '', chunkBytes = ''] = process.argv;
const entry = path.join(modules, 'tus-js-client/lib.esm/node/index.js');
const { Upload } = await import(pathToFileURL(entry).href);
const upload = new Upload(createReadStream(file), {
  endpoint,
  chunkSize: Number(chunkBytes),
  uploadSize: statSync(file).size,
  retryDelays: [0, 500, 1000],
  onSuccess: () => process.stdout.write('success\n'),
  onError: (/** @type {Error} */ error) => {
    process.stderr.write(`${error.message}\n`);
    process.exitCode = 1;
  },
});
upload.start();
