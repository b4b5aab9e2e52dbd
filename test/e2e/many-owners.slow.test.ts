/** Many transfers at a time, each with a token of its own. `CAIRN_OWNERS=1000` makes it a thousand. */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { pull } from '../../src/client/pull.ts';
import { push } from '../../src/client/push.ts';
import type { TransferOptions } from '../../src/client/api/options.ts';
import { firstTokenPath } from '../../src/server/access/first-token.ts';
import { addToken } from '../../src/server/access/token-changes.ts';
import { hashSecret, issueSecret } from '../../src/session/credential.ts';
import { createFileState } from '../../src/storage/state/files/file-state.ts';
import { startDiskServer, type DiskServer } from '../support/servers.ts';
import { temporaryDirectory } from '../support/trees.ts';

const OWNERS = Number(process.env['CAIRN_OWNERS'] ?? 25);
const SIZE = 256 * 1024;
/** What a thousand processes would do at a time. */
const CONNECTIONS = 1;

interface Owner {
  readonly name: string;
  readonly secret: string;
  readonly bytes: Buffer;
}

/** Bytes that only this owner has. */
function bytesOf(name: string): Buffer {
  const block = createHash('sha512').update(name).digest();
  return Buffer.concat(Array.from({ length: SIZE / block.length }, () => block));
}

async function makeOwner(server: DiskServer, name: string): Promise<Owner> {
  const { secret } = issueSecret();
  const state = path.join(server.root, '.cairn');
  const store = { state: createFileState(state), secretFile: firstTokenPath(state) };
  await addToken(store, {
    name,
    principal: name,
    hash: hashSecret(secret),
    scopes: ['read', 'write', 'list'],
    path: name,
    expiresAtMs: undefined,
    quota: undefined,
  });
  return { name, secret, bytes: bytesOf(name) };
}

function optionsOf(server: DiskServer, { name, secret }: Owner, file: string): TransferOptions {
  return {
    url: new URL(`${server.url}/${name}/${file}`),
    token: async () => secret,
    stateHome: temporaryDirectory(),
    retryForMs: 120_000,
    signal: new AbortController().signal,
    report: () => undefined,
    resumeCommand: ['cairn'],
    parallel: CONNECTIONS,
    chunkSizeBytes: 64 * 1024,
  };
}

test('transfers of many owners at a time all finish, and no owner can read a file of another', async () => {
  const server = await startDiskServer({
    extraArgs: ['--log-level', 'warn', '--limit', 'connections-per-address=4096'],
  });
  const owners: Owner[] = [];
  for (let number = 0; number < OWNERS; number += 1) {
    // oxlint-disable-next-line no-await-in-loop -- the file of tokens has a lock
    owners.push(await makeOwner(server, `owner-${number}`));
  }
  const local = temporaryDirectory();
  for (const { name, bytes } of owners) {
    mkdirSync(path.join(server.root, name));
    writeFileSync(path.join(server.root, name, 'there'), bytes);
    writeFileSync(path.join(local, `${name}-out`), bytes);
  }
  const since = performance.now();
  await Promise.all(
    owners.flatMap((owner) => [
      push([path.join(local, `${owner.name}-out`)], optionsOf(server, owner, 'new')),
      pull(path.join(local, `${owner.name}-in`), optionsOf(server, owner, 'there')),
    ]),
  );
  console.log(
    `${2 * OWNERS} transfers of ${OWNERS} owners at a time: ${Math.round(performance.now() - since)} ms`,
  );
  for (const { name, bytes } of owners) {
    expect(readFileSync(path.join(server.root, name, 'new')).equals(bytes), name).toBe(true);
    expect(readFileSync(path.join(local, `${name}-in`)).equals(bytes), name).toBe(true);
  }
  for (const [index, owner] of owners.entries()) {
    const other = owners[(index + 1) % owners.length]!;
    const headers = { authorization: `Bearer ${owner.secret}` };
    // oxlint-disable-next-line no-await-in-loop -- one look after the other
    const answer = await fetch(`${server.url}/${other.name}/there`, { headers });
    expect(answer.status).toBe(403);
    const body = Buffer.from(await answer.arrayBuffer());
    expect(body.includes(other.bytes.subarray(0, 16))).toBe(false);
    expect(JSON.parse(body.toString())).toMatchObject({ code: 'forbidden' });
  }
  const staging = path.join(server.root, '.cairn', 'staging');
  expect(existsSync(staging) ? readdirSync(staging) : []).toEqual([]);
  expect(server.log()).not.toContain('"level":50');
  expect(server.log()).not.toContain('"level":60');
}, 600_000);
