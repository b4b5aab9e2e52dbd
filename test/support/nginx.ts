/** A real nginx before a server, with the lines that a test wants in its `server` block. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { onTestFinished } from 'vitest';
import { freePort } from './free-port.ts';
import { temporaryDirectory } from './trees.ts';

/** Starts it; answers its URL, without a slash at the end. It goes with the test. `beside`: lines beside the `server` block. */
export async function startNginx(lines: string, beside = ''): Promise<string> {
  const folder = temporaryDirectory();
  const port = await freePort();
  const config = path.join(folder, 'nginx.conf');
  const places = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'];
  const temporary = places.map((name) => `${name}_temp_path ${folder}/${name};`).join(' ');
  writeFileSync(
    config,
    `${process.getuid?.() === 0 ? 'user root;' : ''}
daemon off; worker_processes 1; pid ${folder}/pid; error_log ${folder}/error.log warn;
events { worker_connections 512; }
http { access_log off; ${temporary} ${beside} server { listen 127.0.0.1:${port}; ${lines} } }
`,
  );
  const PATH = `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin`;
  const words = ['-e', `${folder}/error.log`, '-p', folder, '-c', config];
  const child = spawn('nginx', words, { stdio: 'ignore', env: { ...process.env, PATH } });
  const ended = once(child, 'exit');
  onTestFinished(async () => {
    child.kill();
    await ended;
  });
  while (!(await isListening(port))) {
    if (child.exitCode !== null) throw new Error(`nginx has ended with ${child.exitCode}`);
    await sleep(20);
  }
  return `http://127.0.0.1:${port}`;
}

function isListening(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}
