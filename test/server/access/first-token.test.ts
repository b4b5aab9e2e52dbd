import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { CairnError } from '../../../src/base/errors.ts';
import { firstTokenPath, openTokens, type TokenStore } from '../../../src/server/access/first-token.ts';
import { hashSecret, issueSecret } from '../../../src/session/credential.ts';
import { createMemoryObjects } from '../../../src/storage/objects/memory/memory-objects.ts';
import { createFileState } from '../../../src/storage/state/files/file-state.ts';
import { createObjectState } from '../../../src/storage/state/objects/object-state.ts';
import { codeOf } from '../../suites/staged-transfer.ts';
import { temporaryDirectory } from '../../support/trees.ts';

function storeIn(directory: string, state = createFileState(directory)): TokenStore {
  return { state, secretFile: firstTokenPath(directory) };
}

const secretIn = (directory: string): string => readFileSync(firstTokenPath(directory), 'utf8');

test('one of several processes that begin together makes the first token, and its secret is kept', async () => {
  for (let round = 0; round < 5; round += 1) {
    const directory = temporaryDirectory();
    const opened = await Promise.all(Array.from({ length: 4 }, () => openTokens(storeIn(directory))));
    expect(opened.filter(({ created }) => created !== undefined)).toHaveLength(1);
    for (const { document } of opened)
      expect(document.value?.map(({ hash }) => hash)).toEqual([hashSecret(secretIn(directory))]);
    expect(readdirSync(directory).toSorted()).toEqual(['token', 'tokens.json', 'tokens.lock']);
  }
});

test('one of several servers that share a state makes the first token, and only its machine has the secret', async () => {
  const objects = createMemoryObjects();
  const homes = Array.from({ length: 3 }, () => temporaryDirectory());
  const opened = await Promise.all(
    homes.map((home) => openTokens(storeIn(home, createObjectState(objects)))),
  );
  const winner = opened.findIndex(({ created }) => created !== undefined);
  expect(homes.filter((home) => existsSync(firstTokenPath(home)))).toEqual([homes[winner]]);
  expect(opened[(winner + 1) % 3]?.document.value?.[0]?.hash).toBe(hashSecret(secretIn(homes[winner]!)));
  for (const home of homes) expect(readdirSync(home)).toEqual(home === homes[winner] ? ['token'] : []);
});

test('a process that was killed before the first token was kept leaves no secret that is accepted', async () => {
  const directory = temporaryDirectory();
  const { secret, hash } = issueSecret();
  writeFileSync(path.join(directory, `token.of-${hash}`), secret);
  const { created, document } = await openTokens(storeIn(directory));
  expect(created).toBeDefined();
  expect(document.value?.map((token) => token.hash)).not.toContain(hash);
  expect(readdirSync(directory).toSorted()).toEqual(['token', 'tokens.json', 'tokens.lock']);
});

test('the secret of a process that was killed after the first token was kept is found at the next start', async () => {
  const directory = temporaryDirectory();
  const state = createFileState(directory);
  const dying = {
    ...state,
    compareAndSet: async (key: string, version: string | null, text: string) => {
      await state.compareAndSet(key, version, text);
      throw new CairnError('storage-io', 'killed right after');
    },
  };
  expect(await codeOf(() => openTokens(storeIn(directory, dying)))).toBe('storage-io');
  expect(existsSync(firstTokenPath(directory))).toBe(false);
  const { created, document } = await openTokens(storeIn(directory));
  expect(created).toBeUndefined();
  expect(document.value?.map(({ hash }) => hash)).toEqual([hashSecret(secretIn(directory))]);
});
