/** A client at a terminal, at one that goes away, and without any. */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import path from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { startCairn, untilLine } from '../support/cli.ts';
import { hasTerminals } from '../support/requirements.ts';
import { startDiskServer } from '../support/servers.ts';
import { temporaryDirectory, writeRandomFile } from '../support/trees.ts';

const MIB = 1024 * 1024;
const BIN = path.resolve(import.meta.dirname, '../../bin/cairn.js');

async function scene() {
  const server = await startDiskServer();
  const file = path.join(
    temporaryDirectory(),
    'a file with a name that is longer than the terminal is wide.bin',
  );
  writeRandomFile(file, 4 * MIB);
  return {
    file,
    url: `${server.url}/file`,
    environment: { stateHome: temporaryDirectory(), token: server.token },
  };
}

/** A push at a terminal of 40 columns, made by script(1). */
function atTerminal(words: readonly string[], stateHome: string, token: string) {
  const command = `stty rows 10 cols 40; exec "$NODE" "$CAIRN" push --bwlimit 1M ${words.map((word) => `'${word}'`).join(' ')}`;
  const { NO_COLOR: _none, ...inherited } = process.env;
  const child: ChildProcess = spawn('script', ['-qefc', command, '/dev/null'], {
    env: {
      ...inherited,
      NODE: process.execPath,
      CAIRN: BIN,
      CAIRN_STATE_HOME: stateHome,
      CAIRN_TOKEN: token,
      TERM: 'xterm',
    },
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  let text = '';
  const waiting: (() => void)[] = [];
  child.stdout!.on('data', (bytes: Buffer) => {
    text += bytes.toString();
    for (const look of waiting) look();
  });
  const until = (pattern: RegExp): Promise<void> =>
    new Promise((done) => {
      const look = (): void => void (pattern.test(text) && done());
      waiting.push(look);
      look();
    });
  const ended = new Promise<number | null>((done) => child.once('close', done));
  return { child, until, ended, text: () => text };
}

describe('a push without a terminal', () => {
  test('a push without a terminal outlives SIGHUP, as under nohup', async () => {
    const { file, url, environment } = await scene();
    const run = startCairn(['push', '--json', '--bwlimit', '4M', file, url], environment);
    await untilLine(run, (line) => line['phase'] === 'transferring');
    run.child.kill('SIGHUP');
    expect(await run.result).toMatchObject({ exitCode: 0, last: { code: 'ok' } });
  });
});

describe.skipIf(!hasTerminals)('a push at a terminal (needs script)', () => {
  test('a push at a terminal prints the command that resumes whole, and leaves the terminal as it was', async () => {
    const { file, url, environment } = await scene();
    const run = atTerminal([file, url], environment.stateHome, environment.token);
    await run.until(/\d+% /);
    run.child.stdin!.write('\u0003');
    expect(await run.ended).toBe(130);
    expect(run.text()).toContain(`push --bwlimit 1M '${file}' ${url}`);
    // Wrapping is never switched off, so nothing has to switch it on again.
    expect(run.text()).not.toContain('\u001b[?7l');
    expect(run.text().lastIndexOf('\u001b[?25h')).toBeGreaterThan(run.text().lastIndexOf('\u001b[?25l'));
  });

  test('a push at a terminal that goes away ends with a checkpoint', async () => {
    const { file, url, environment } = await scene();
    const run = atTerminal([file, url], environment.stateHome, environment.token);
    await run.until(/\d+% /);
    const [pid] = spawnSync('pgrep', ['-P', String(run.child.pid)], { encoding: 'utf8' }).stdout.split('\n');
    process.kill(Number(pid), 'SIGHUP');
    expect(await run.ended).toBe(143);
    expect(run.text()).toContain('to resume, run:');
  });
});
