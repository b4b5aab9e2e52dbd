import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { startSourceCommand, type SourceCommand } from '../../../../src/cli/commands/push/source-command.ts';

async function textOf({ output }: SourceCommand): Promise<string> {
  const pieces: Uint8Array[] = [];
  for await (const piece of output) pieces.push(piece);
  return Buffer.concat(pieces).toString();
}

describe('source commands', () => {
  it('a source command gives all of its output, also to a reader that begins when it has long ended', async () => {
    const command = startSourceCommand(['sh', '-c', 'echo fine; head -c 200000 /dev/zero | tr "\\0" x']);
    await sleep(500);
    const text = await textOf(command);
    await command.succeeded();
    expect(text.length).toBe(200_005);
  });

  it('a source command is run without a shell', async () => {
    const command = startSourceCommand(['echo', '$HOME; *', '-n']);
    expect(await textOf(command)).toBe('$HOME; * -n\n');
  });

  it('a source command inherits the environment, without the access token', async () => {
    vi.stubEnv('CAIRN_TOKEN', 'a-secret-of-the-user');
    vi.stubEnv('CAIRN_TEST_VALUE', 'kept');
    onTestFinished(() => void vi.unstubAllEnvs());
    const text = await textOf(startSourceCommand(['env']));
    expect(text).toContain('CAIRN_TEST_VALUE=kept\n');
    expect(text).not.toContain('a-secret-of-the-user');
    expect(text).not.toContain('CAIRN_TOKEN=');
  });

  it('a source command has an empty standard input', async () => {
    expect(await textOf(startSourceCommand(['cat']))).toBe('');
  });

  it.each([
    ['exits with another code', ['sh', '-c', 'echo x; exit 3'], { exitCode: 3 }],
    ['is killed', ['sh', '-c', 'echo x; kill -9 $$'], { signal: 'SIGKILL' }],
    ['is not there', ['cairn-has-no-such-command'], {}],
  ] as const)('a source command has failed when it %s', async (_what, argv, details) => {
    const command = startSourceCommand(argv);
    await textOf(command);
    await expect(command.succeeded()).rejects.toMatchObject({
      code: 'source-command-failed',
      message: expect.stringContaining(argv[0]) as string,
      details: { command: argv[0], ...details },
    });
  });

  it('a source command is ended when its reader stops early', async () => {
    const command = startSourceCommand(['yes']);
    for await (const piece of command.output) {
      expect(piece.byteLength).toBeGreaterThan(0);
      break;
    }
    await command.stop();
    await command.stop();
    await expect(command.succeeded()).rejects.toMatchObject({ code: 'source-command-failed' });
  });
});
