/** nginx, the server of curl, rclone and aria2: sendfile, large buffers, PUT and MKCOL. */
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { programPath, startServer, versionOf, type ServerProcess } from '../processes.ts';
import type { Ground } from './contestant.ts';
import { freePort } from '../../support/free-port.ts';

/** A running nginx. */
export interface Nginx {
  readonly server: ServerProcess;
  readonly root: string;
  /** As the client reaches it. */
  readonly url: string;
}

/**
 * rclone asks with PROPFIND what is there, which needs a module that few builds have. This answers it with as little as
 * rclone needs: whether it is there and a folder; sizes are left out, so rclone is told to ignore them.
 */
const PROPFIND = `
    set $found 0; set $folder 0;
    if (-f $request_filename) { set $found 1; }
    if (-d $request_filename) { set $found 1; set $folder 1; }
    set $asked "$request_method$found";
    if ($asked = PROPFIND0) { return 404; }
    if ($asked = PROPFIND1) { return 207 '<?xml version="1.0"?><D:multistatus xmlns:D="DAV:"><D:response><D:href>$uri</D:href><D:propstat><D:prop><D:resourcetype>$resource</D:resourcetype><D:getlastmodified>Mon, 01 Jan 2024 00:00:00 GMT</D:getlastmodified></D:prop><D:status>HTTP/1.1 200 OK</D:status></D:propstat></D:response></D:multistatus>'; }`;

const configOf = (folder: string, root: string, port: number, answersPropfind: boolean): string => `
${process.getuid?.() === 0 ? 'user root;' : ''}
worker_processes auto; daemon off; pid ${folder}/nginx.pid; error_log ${folder}/error.log crit;
events { worker_connections 4096; }
http {
  access_log off; sendfile on; tcp_nopush on; tcp_nodelay on;
  keepalive_requests 1000000; output_buffers 2 1m; default_type application/octet-stream;
  client_max_body_size 0; client_body_buffer_size 1m; client_body_temp_path ${folder}/tmp;
  proxy_temp_path ${folder}/t1; fastcgi_temp_path ${folder}/t2; uwsgi_temp_path ${folder}/t3; scgi_temp_path ${folder}/t4;
  map $folder $resource { 1 '<D:collection/>'; default ''; }
  server {
    listen 127.0.0.1:${port}; root ${root}; autoindex on;
    dav_methods PUT DELETE MKCOL COPY MOVE; create_full_put_path on; dav_access user:rw;
${answersPropfind ? PROPFIND : '    set $folder 0;'}
  }
}
`;

/** Starts nginx over an empty root. */
export async function startNginx(ground: Ground, { answersPropfind = false } = {}): Promise<Nginx> {
  const root = path.join(ground.folder, 'root');
  mkdirSync(root, { recursive: true });
  const port = await freePort();
  const config = path.join(ground.folder, 'nginx.conf');
  writeFileSync(config, configOf(ground.folder, root, port, answersPropfind));
  const words = ['-e', `${ground.folder}/error.log`, '-p', ground.folder, '-c', config];
  const server = await startServer({ words: [programPath('nginx')!, ...words] }, port);
  return { server, root, url: `http://127.0.0.1:${await ground.via(port)}` };
}

/** What of `programs` and nginx is missing. */
export function missingBesideNginx(program: string): string | undefined {
  const missing = ['nginx', program].filter((name) => programPath(name) === undefined);
  return missing.length === 0 ? undefined : missing.join(' and ');
}

/** nginx by name and version. */
export function nginxVersion(): string {
  const version = versionOf(programPath('nginx')!, ['-v'], /nginx\/(\S+)/);
  return `nginx ${version}, sendfile, tcp_nopush, 1 MiB buffers, autoindex, DAV PUT`;
}
