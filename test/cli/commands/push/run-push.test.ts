import { resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { CairnError } from '../../../../src/base/errors.ts';
import { pullJobOf } from '../../../../src/cli/commands/pull/run-pull.ts';
import type { PushValues } from '../../../../src/cli/commands/push/push-command.ts';
import { pushJobOf, type PushJob } from '../../../../src/cli/commands/push/run-push.ts';
import type { TransferValues } from '../../../../src/cli/options/transfer-options.ts';
import { given } from '../../support/given.ts';

const URL_WORD = 'http://127.0.0.1:7070/x';

type Options = Parameters<typeof given>[1];

const push = async (words: readonly string[], options: Options = {}): Promise<PushJob> =>
  pushJobOf(words, await given<PushValues>('push', options));
const pull = async (words: readonly string[], options: Options = {}): Promise<ReturnType<typeof pullJobOf>> =>
  pullJobOf(words, await given<TransferValues>('pull', options));

async function messageOf(work: Promise<unknown>): Promise<string> {
  try {
    await work;
  } catch (error) {
    if (error instanceof CairnError && error.code === 'usage') return error.message;
    throw error;
  }
  throw new Error('nothing was thrown');
}

describe('cairn push', () => {
  it('cairn push takes sources and, last, a URL', async () => {
    const job = await push(['a', 'b/', URL_WORD]);
    expect(job.source).toEqual({ kind: 'paths', paths: ['a', 'b/'] });
    expect(job.url.href).toBe(URL_WORD);
    expect(job.values).toMatchObject({
      retryFor: { ms: 300_000, isGiven: false },
      checksum: false,
      progress: true,
    });
  });

  it('cairn push is resumed from any directory, by the same settings, and not by how it was shown', async () => {
    const options = { parallel: '8', chunkSize: '1M', retryFor: '1h', checksum: true, digest: 'sha256' };
    const shown = { tokenFile: 't', json: true, quiet: true };
    const job = await push(['a', 'b/', URL_WORD], {
      ...options,
      sync: 'always',
      compress: 'never',
      ...shown,
    });
    const how = '--parallel 8 --chunk-size 1048576 --digest sha256 --sync always --compress never';
    const shared = `--checksum ${how} --retry-for 3600000ms`.split(' ');
    const rest = ['--token-file', resolve('t'), resolve('a'), `${resolve('b')}/`, URL_WORD];
    expect(job.resumeCommand).toEqual(['cairn', 'push', ...shared, ...rest]);
    const { values } = await push(['a', URL_WORD], { retryFor: '3600000ms', chunkSize: '1048576' });
    expect(values).toMatchObject({ retryFor: { ms: 3_600_000, isGiven: true }, chunkSize: 1_048_576 });
  });

  it('cairn push takes standard input, alone', async () => {
    expect((await push(['-', URL_WORD])).source).toEqual({ kind: 'stdin' });
    expect(await messageOf(push(['-', 'a', URL_WORD]))).toContain('stands alone');
  });

  it('cairn push takes a command with its own options', async () => {
    const job = await push([URL_WORD, 'tar', 'c', '-C', '/', '--json'], { fromCommand: true });
    expect(job.source).toEqual({ kind: 'command', argv: ['tar', 'c', '-C', '/', '--json'] });
    expect(job.resumeCommand.slice(2)).toEqual([
      '--from-command',
      URL_WORD,
      '--',
      'tar',
      'c',
      '-C',
      '/',
      '--json',
    ]);
  });

  it.each([
    ['no words', [], {}],
    ['no source', [URL_WORD], {}],
    ['no URL', ['a', 'b'], {}],
    ['the URL first', [URL_WORD, 'a'], {}],
    ['no command', [URL_WORD], { fromCommand: true }],
    ['too many chunks', ['a', URL_WORD], { parallel: '65' }],
    ['chunks too small', ['a', URL_WORD], { chunkSize: '1K' }],
    ['an unknown digest', ['a', URL_WORD], { digest: 'md5' }],
    ['an unknown sync mode', ['a', URL_WORD], { sync: 'never' }],
    ['an unknown word for compression', ['a', URL_WORD], { compress: 'gzip' }],
    ['a dry run of a stream', ['-', URL_WORD], { dryRun: true }],
    ['comparing a stream', [URL_WORD, 'true'], { fromCommand: true, checksum: true }],
  ])('cairn push refuses %s, with an example', async (_what, words, options) => {
    expect(await messageOf(push(words, options))).toContain('for example');
  });

  it('cairn push does not repeat a password that stands in the wrong place', async () => {
    expect(await messageOf(push(['http://u:geheim@h/', URL_WORD]))).not.toContain('geheim');
    expect(await messageOf(push(['a', 'sftp://u:geheim@h/']))).not.toContain('geheim');
  });
});

describe('cairn pull', () => {
  it('cairn pull takes a URL and a destination', async () => {
    const job = await pull([URL_WORD, 'dir/']);
    expect(job.destination).toEqual({ kind: 'path', path: 'dir/' });
    expect(job.resumeCommand).toEqual(['cairn', 'pull', URL_WORD, `${resolve('dir')}/`]);
    expect((await pull([URL_WORD, '-'])).destination).toEqual({ kind: 'stdout' });
    const { values, resumeCommand } = await pull([URL_WORD, 'dir/'], { sync: 'close' });
    expect(values.sync).toBe('close');
    expect(resumeCommand).toContain('--sync');
  });

  it.each([
    ['one word', [URL_WORD], {}],
    ['three words', [URL_WORD, 'a', 'b'], {}],
    ['the URL last', ['a', URL_WORD], {}],
    ['JSON and bytes on one output', [URL_WORD, '-'], { json: true }],
    ['a dry run of a stream', [URL_WORD, '-'], { dryRun: true }],
    ['a sync mode where nothing is kept', [URL_WORD, '-'], { sync: 'close' }],
    ['an unknown sync mode', [URL_WORD, 'a'], { sync: '' }],
    ['an unknown word for compression', [URL_WORD, '-'], { compress: '' }],
  ])('cairn pull refuses %s, with an example', async (_what, words, options) => {
    expect(await messageOf(pull(words, options))).toContain('for example');
  });
});
