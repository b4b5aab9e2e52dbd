// A tus server as its documentation shows it: node tus-server.js MODULES DIRECTORY PORT
import path from 'node:path';
import { pathToFileURL } from 'node:url';

const [, , modules = '', directory = '', port = ''] = process.argv;
const load = (/** @type {string} */ file) => import(pathToFileURL(path.join(modules, file)).href);
const { Server } = await load('@tus/server/dist/index.js');
const { FileStore } = await load('@tus/file-store/dist/index.js');
const server = new Server({ path: '/files', datastore: new FileStore({ directory }) });
server.listen({ host: '127.0.0.1', port: Number(port) }, () => process.stdout.write('listening\n'));
