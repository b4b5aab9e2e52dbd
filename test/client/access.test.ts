import { expect, test } from 'vitest';
import { CairnError } from '../../src/base/errors.ts';
import { createAccess, type AccessHeaders } from '../../src/client/http/access.ts';

const echo = async (headers: AccessHeaders): Promise<string | undefined> => headers['authorization'];

test('a token that could not be had is asked for again by the next request', async () => {
  const answers = [new CairnError('issuer-unavailable', 'away'), 'first'];
  const access = createAccess(async () => {
    const answer = answers.shift();
    if (answer instanceof Error) throw answer;
    return answer;
  });
  await expect(access.run(echo)).rejects.toMatchObject({ code: 'issuer-unavailable' });
  await expect(access.run(echo)).resolves.toBe('Bearer first');
});

test('a renewal of a token that fails leaves the next request to ask again', async () => {
  const answers = ['first', new CairnError('issuer-unavailable', 'away'), 'second'];
  const access = createAccess(async () => {
    const answer = answers.shift();
    if (answer instanceof Error) throw answer;
    return answer;
  });
  await expect(access.run(echo)).resolves.toBe('Bearer first');
  await expect(access.renewed()).rejects.toMatchObject({ code: 'issuer-unavailable' });
  await expect(access.run(echo)).resolves.toBe('Bearer second');
});
