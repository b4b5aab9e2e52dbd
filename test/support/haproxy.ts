/** A real haproxy before several servers: each request goes to the next one, whatever session it belongs to. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { onTestFinished } from 'vitest';
import { freePort } from './free-port.ts';
import { temporaryDirectory } from './trees.ts';

/** The lines of its configuration that `docs/operating.md` shows, but for addresses and short times. */
const lines = (port: number, ports: readonly number[]): string => `
global
  maxconn 4000
defaults
  mode http
  timeout connect 5s
  timeout client 60s
  timeout server 60s
  timeout tunnel 1h
  option forwardfor
  retries 2
  option redispatch 1
frontend files
  bind 127.0.0.1:${port}
  default_backend cairn
backend cairn
  balance roundrobin
  option httpchk
  http-check send meth GET uri /.cairn/readyz ver HTTP/1.1 hdr Host cairn
${ports.map((each) => `  server n${each} 127.0.0.1:${each} check inter 300ms fall 1 rise 1`).join('\n')}
`;

/** Starts it; answers its URL, without a slash at the end, once it has a server to send to. It goes with the test. */
export async function startHaproxy(ports: readonly number[]): Promise<string> {
  const port = await freePort();
  const config = path.join(temporaryDirectory(), 'haproxy.cfg');
  writeFileSync(config, lines(port, ports));
  const PATH = `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin`;
  const child = spawn('haproxy', ['-db', '-f', config], { stdio: 'ignore', env: { ...process.env, PATH } });
  const ended = once(child, 'exit');
  onTestFinished(async () => {
    child.kill('SIGKILL');
    await ended;
  });
  const url = `http://127.0.0.1:${port}`;
  for (;;) {
    if (child.exitCode !== null) throw new Error(`haproxy has ended with ${child.exitCode}`);
    const answer = await fetch(`${url}/.cairn/healthz`).catch(() => undefined);
    if (answer?.ok === true) return url;
    await sleep(50);
  }
}
