import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CairnError } from '../../src/base/errors.ts';
import { createManifest } from '../../src/manifest/manifest.ts';
import {
  encodeEnd,
  encodeNotice,
  encodeTree,
  encodeUncarried,
  readTree,
  type Notice,
} from '../../src/wire/tree-stream.ts';
import { arbitraryTree, entryOf } from '../manifest/arbitrary-tree.ts';

const PARAMETERS = { chunkSizeBytes: 65_536, digest: 'xxh64' } as const;
const manifest = createManifest(PARAMETERS, [
  entryOf('directory', ''),
  entryOf('file', 'a ünï 😀', { sizeBytes: 5 }),
  entryOf('symlink', 'z'),
]);
const notices: Notice[] = [{ code: 'source-unreadable', path: 'sécret', message: 'permission denied' }];
const text = [...encodeTree(manifest, notices)].join('');

async function* slices(bytes: Uint8Array, sliceBytes = 7): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.byteLength; at += sliceBytes) yield bytes.subarray(at, at + sliceBytes);
}

async function codeOf(
  content: string | Uint8Array,
  limits?: { maxEntries: number; maxBytes: number },
): Promise<string> {
  try {
    await readTree(slices(Buffer.from(content as string)), limits);
  } catch (error) {
    return error instanceof CairnError ? error.code : `not a CairnError: ${String(error)}`;
  }
  return 'accepted';
}

const lines = text.split('\n').slice(0, -1);
const joined = (...parts: string[]): string => parts.map((line) => `${line}\n`).join('');

describe('trees on the wire', () => {
  it('a tree arrives as it was sent, however it is sliced', async () => {
    for (const slice of [1, 2, 3, 64, 1000]) {
      expect(await readTree(slices(Buffer.from(text), slice))).toEqual({
        manifest,
        notices,
        uncarried: new Map(),
      });
    }
  });

  it('a tree arrives whole, whatever entries it has', async () => {
    await fc.assert(
      fc.asyncProperty(arbitraryTree(fc.maxSafeNat()), async (entries) => {
        const sent = createManifest({ chunkSizeBytes: 65_536, digest: 'sha256' }, entries);
        const bytes = Buffer.from([...encodeTree(sent)].join(''));
        expect(await readTree(slices(bytes, 11))).toEqual({
          manifest: sent,
          notices: [],
          uncarried: new Map(),
        });
      }),
    );
  });

  it('a tree that is cut at any byte is refused as incomplete', async () => {
    const bytes = Buffer.from(text);
    for (let end = 0; end < bytes.length; end++) {
      expect([end, await codeOf(bytes.subarray(0, end))]).toEqual([end, 'chunk-incomplete']);
    }
    expect(await codeOf(bytes)).toBe('accepted');
  });

  it('a tree is refused when a single bit was changed on its way', async () => {
    const bytes = Buffer.from(joined(...lines.filter((line) => !line.startsWith('["w"'))));
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      const damaged = Buffer.from(bytes);
      damaged[bit >> 3]! ^= 1 << (bit & 7);
      expect([bit, await codeOf(damaged)]).not.toEqual([bit, 'accepted']);
    }
  });

  it.each([
    ['goes on after its end', `${text}["f","zz",1,420,"0"]\n`],
    ['ends twice', joined(...lines, lines.at(-1)!)],
    ['has another id than its content', joined(...lines.slice(0, -1), encodeEnd('0'.repeat(64)))],
    ['has an end line in another form', joined(...lines.slice(0, -1), `["end", "${manifest.id}"]`)],
    ['lost a line', joined(...lines.toSpliced(2, 1))],
    ['has two lines in the wrong order', joined(...lines.toSpliced(1, 2, lines[2]!, lines[1]!))],
    ['has no header', joined(...lines.slice(1))],
    ['is only an end', joined(encodeEnd(manifest.id))],
    ['has an empty line', joined(...lines.toSpliced(1, 0, ''))],
    ['has a notice without a message', joined(...lines.toSpliced(1, 0, '["w","internal","p"]'))],
    ['counts what is not carried in words', joined('["u","set-id bits","3"]', ...lines)],
    ['counts less than one entry', joined('["u","set-id bits",0]', ...lines)],
    ['counts entries twice', joined('["u","set-id bits",1,2]', ...lines)],
    ['has a notice that is no JSON', joined(...lines.toSpliced(1, 0, '["w",'))],
  ])('a tree is refused when it %s', async (_what, content) =>
    expect(await codeOf(content)).toBe('manifest-invalid'),
  );

  it('a tree is refused when it is larger than the limits', async () => {
    expect(await codeOf(text, { maxEntries: 2, maxBytes: 10_000 })).toBe('manifest-too-large');
    expect(await codeOf(text, { maxEntries: 9, maxBytes: 100 })).toBe('manifest-too-large');
  });

  it('a tree may have notices anywhere among its lines, and its id does not cover them', async () => {
    const read = await readTree(slices(Buffer.from(joined(encodeNotice(notices[0]!), ...lines))));
    expect(read).toMatchObject({ manifest, notices: [notices[0], notices[0]] });
  });

  it('a tree may say anywhere among its lines what is not carried, in words that a reader may not know', async () => {
    const uncarried = new Map([['set-id bits', 3] as const, ['system attributes', 1] as const]);
    const told = encodeUncarried(uncarried).trimEnd();
    expect(await readTree(slices(Buffer.from(joined(told, ...lines))))).toEqual({
      manifest,
      notices,
      uncarried,
    });
    const later = joined(...lines.slice(0, -1), '["u","moods",2]', told, lines.at(-1)!);
    expect((await readTree(slices(Buffer.from(later)))).uncarried).toEqual(uncarried);
  });

  it('a tree may have a notice whose reason only a newer sender knows', async () => {
    const read = await readTree(slices(Buffer.from(joined('["w","toString","p","m"]', ...lines))));
    expect(read.notices[0]).toEqual({ code: 'source-unsupported', path: 'p', message: 'm' });
  });

  it('the notices of a tree are made fit for a terminal', async () => {
    const hostile = encodeNotice({ code: 'partial', path: '\u001b[2J', message: 'a\nb\u202e' });
    const read = await readTree(slices(Buffer.from(joined(hostile, ...lines))));
    expect(read.notices[0]).toEqual({ code: 'partial', path: '\\x1b[2J', message: 'a\\x0ab\\u{202e}' });
  });

  it('a tree with 150,000 notices keeps 100,000 of them', async () => {
    const notice = `${encodeNotice({ code: 'partial', path: 'p', message: 'm' })}\n`;
    async function* flood(): AsyncGenerator<Uint8Array> {
      for (let n = 0; n < 150; n++) yield Buffer.from(notice.repeat(1000));
      yield Buffer.from(text);
    }
    expect((await readTree(flood())).notices).toHaveLength(100_000);
    const counts = joined(...Array.from({ length: 50 }, () => '["u","moods",1]'));
    expect(await codeOf(counts + text, { maxEntries: 9, maxBytes: 700 })).toBe('manifest-too-large');
  });
});
