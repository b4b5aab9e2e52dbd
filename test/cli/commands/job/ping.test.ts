import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, it, onTestFinished } from 'vitest';
import { ping } from '../../../../src/cli/commands/job/ping.ts';
import { freePort } from '../../../support/free-port.ts';
import { jobScene } from '../../support/job-scene.ts';

/** A monitor that answers so; what it was asked is in `asked`. */
async function monitor(answer: RequestListener): Promise<{ readonly url: URL; readonly asked: string[] }> {
  const asked: string[] = [];
  const server = createServer((request, response) => {
    asked.push(`${request.method} ${request.url}`);
    answer(request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return { url: new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/id/?rid=1`), asked };
}

describe('monitors', () => {
  it('a monitor gets one request for its URL with what happened', async () => {
    const { url, asked } = await monitor((_request, response) => response.end('OK'));
    expect(await ping(url, 'start')).toBeUndefined();
    expect(asked).toEqual(['GET /id/start?rid=1']);
  });

  it.each<[string, RequestListener, string]>([
    ['refuses', (_request, response) => response.writeHead(404).end(), 'it answered with status 404'],
    [
      'sends the client elsewhere',
      (_request, response) => response.writeHead(302, { location: '/elsewhere' }).end(),
      'it answered with status 302',
    ],
    ['never answers', () => undefined, 'it has not answered within 0.3 seconds'],
    ['closes the connection', (request) => request.socket.destroy(), 'socket hang up'],
  ])('a monitor that %s is reported, and is asked once', async (_what, answer, why) => {
    const { url, asked } = await monitor(answer);
    expect(await ping(url, '0', 300)).toBe(why);
    expect(asked).toHaveLength(1);
  });

  it('a monitor that answers without an end is not read to its end', async () => {
    const { url } = await monitor((_request, response) => {
      const more = (): boolean => response.write('x'.repeat(65_536));
      response.on('drain', more).on('error', () => undefined);
      while (more());
    });
    expect(await ping(url, '0', 5000)).toBeUndefined();
  });

  it('a monitor that is down is reported', async () => {
    const url = new URL(`http://127.0.0.1:${await freePort()}/`);
    expect(await ping(url, '0')).toContain('ECONNREFUSED');
  });

  it('a monitor is told the beginning and the exit code of a job, in this order', async () => {
    const { url, asked } = await monitor((_request, response) => response.end());
    const scene = await jobScene();
    scene.writeJobs('[job.home]', 'source = "SOURCE"', 'to = "URL/home"', `ping.url = "${url.href}"`);
    expect((await scene.job(['run', 'home'])).exitCode).toBe(0);
    scene.writeJobs('[job.home]', 'command = ["false"]', 'to = "URL/other"', `ping.url = "${url.href}"`);
    expect((await scene.job(['run', 'home'])).exitCode).toBe(11);
    expect(asked.map((line) => line.replace(/\?.*/, ''))).toEqual([
      'GET /id/start',
      'GET /id/0',
      'GET /id/start',
      'GET /id/11',
    ]);
  });

  it('a monitor that never answers does not make a job fail', async () => {
    const { url } = await monitor(() => undefined);
    const scene = await jobScene();
    scene.writeJobs('[job.home]', 'source = "SOURCE"', 'to = "URL/home"', `ping.url = "${url.href}"`);
    const { exitCode, stderr } = await scene.job(['run', 'home']);
    expect(exitCode).toBe(0);
    expect(stderr).toContain(`the monitor ${url.host} was not told: it has not answered within 5 seconds`);
  });
});
