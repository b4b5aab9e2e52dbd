import { writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { createS3Credentials } from '../../../src/storage/objects/s3/s3-credentials.ts';
import { createExchanger } from '../../../src/storage/objects/s3/http-exchange.ts';
import type { S3Credentials } from '../../../src/storage/objects/s3/signature.ts';
import { codeOf } from '../../suites/staged-transfer.ts';
import { temporaryDirectory } from '../../support/trees.ts';

/** No role of this machine, and no file of this user, is looked for. */
const NOTHING = { AWS_EC2_METADATA_DISABLED: 'true', HOME: '/nonexistent' };

function searchIn(env: Record<string, string>, now?: () => number): ReturnType<typeof createS3Credentials> {
  const exchange = createExchanger(undefined);
  return createS3Credentials({
    env,
    region: 'eu-central-1',
    exchange,
    ...(now === undefined ? {} : { now }),
  });
}

/** A service of a role; it goes with the test. */
async function startRoleService(
  answer: (request: IncomingMessage, body: string) => string | undefined,
): Promise<string> {
  const server = createServer((request, response) => {
    let body = '';
    request.on('data', (bytes: Buffer) => (body += bytes.toString()));
    request.on('end', () => {
      const text = answer(request, body);
      response.writeHead(text === undefined ? 403 : 200).end(text);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close());
  onTestFinished(() => server.closeAllConnections());
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const keysOf = (id: string, expiresAtMs?: number): string =>
  JSON.stringify({
    AccessKeyId: id,
    SecretAccessKey: 'secret',
    Token: 'token',
    ...(expiresAtMs === undefined ? {} : { Expiration: new Date(expiresAtMs).toISOString() }),
  });
const ROLE: S3Credentials = { accessKeyId: 'role', secretAccessKey: 'secret', sessionToken: 'token' };

describe('keys of a bucket', () => {
  it('the keys of a bucket come from the environment before any other source', async () => {
    const env = {
      ...NOTHING,
      AWS_ACCESS_KEY_ID: 'id',
      AWS_SECRET_ACCESS_KEY: 'secret',
      AWS_SESSION_TOKEN: 'token',
      AWS_SHARED_CREDENTIALS_FILE: '/nonexistent',
    };
    expect(await searchIn(env)()).toEqual({
      accessKeyId: 'id',
      secretAccessKey: 'secret',
      sessionToken: 'token',
    });
  });

  it('the keys of a bucket come from a profile in a file', async () => {
    const file = path.join(temporaryDirectory(), 'credentials');
    writeFileSync(
      file,
      '# mine\n[default]\naws_access_key_id = one\naws_secret_access_key=a=b\n\n[ other ]\r\nAWS_ACCESS_KEY_ID = two\r\naws_secret_access_key = c\r\n',
    );
    const env = { ...NOTHING, AWS_SHARED_CREDENTIALS_FILE: file };
    expect(await searchIn(env)()).toMatchObject({ accessKeyId: 'one', secretAccessKey: 'a=b' });
    expect(await searchIn({ ...env, AWS_PROFILE: 'other' })()).toMatchObject({
      accessKeyId: 'two',
      secretAccessKey: 'c',
    });
    expect(await codeOf(() => searchIn({ ...env, AWS_PROFILE: 'none' })())).toBe('config-invalid');
  });

  it('the keys of a bucket are missing where there are none, or where a named file is not there', async () => {
    expect(await codeOf(() => searchIn(NOTHING)())).toBe('config-invalid');
    const env = { ...NOTHING, AWS_SHARED_CREDENTIALS_FILE: '/nonexistent/credentials' };
    expect(await codeOf(() => searchIn(env)())).toBe('config-invalid');
  });

  it('the keys of a bucket come from a container by its token, and are fetched again before they expire', async () => {
    let nowMs = Date.now();
    let fetched = 0;
    const service = await startRoleService(({ headers }) => {
      if (headers.authorization !== 'mine') return undefined;
      fetched += 1;
      return keysOf('role', nowMs + 3_600_000);
    });
    const env = {
      ...NOTHING,
      AWS_CONTAINER_CREDENTIALS_FULL_URI: `${service}/keys`,
      AWS_CONTAINER_AUTHORIZATION_TOKEN: 'mine',
    };
    const keys = searchIn(env, () => nowMs);
    expect(await keys()).toMatchObject(ROLE);
    await Promise.all([keys(), keys()]);
    expect(fetched).toBe(1);
    nowMs += 3_400_000;
    await Promise.all([keys(), keys()]);
    expect(fetched).toBe(2);
    await keys(true);
    expect(fetched).toBe(3);
  });

  it('keys of a bucket stay in use while they are good when the service of the role is away', async () => {
    let nowMs = Date.now();
    let isAway = false;
    const service = await startRoleService(() => (isAway ? undefined : keysOf('role', nowMs + 3_600_000)));
    const env = { ...NOTHING, AWS_CONTAINER_CREDENTIALS_FULL_URI: service };
    const keys = searchIn(env, () => nowMs);
    await keys();
    isAway = true;
    nowMs += 3_400_000;
    expect(await keys()).toMatchObject(ROLE);
    nowMs += 300_000;
    expect(await codeOf(() => keys())).toBe('config-invalid');
  });

  it('the keys of a container are not fetched over plain http from elsewhere', async () => {
    const env = { ...NOTHING, AWS_CONTAINER_CREDENTIALS_FULL_URI: 'http://example.org/keys' };
    expect(await codeOf(() => searchIn(env)())).toBe('config-invalid');
  });

  it('the keys of a bucket come from the instance, by a token of its service', async () => {
    const service = await startRoleService(({ method, url, headers }) => {
      if (method === 'PUT') return url === '/latest/api/token' ? 'a-token' : undefined;
      if (headers['x-aws-ec2-metadata-token'] !== 'a-token') return undefined;
      const roles = '/latest/meta-data/iam/security-credentials/';
      if (url === roles) return 'the-role\n';
      return url === `${roles}the-role` ? keysOf('role') : undefined;
    });
    const env = { HOME: '/nonexistent', AWS_EC2_METADATA_SERVICE_ENDPOINT: service };
    expect(await searchIn(env)()).toMatchObject(ROLE);
  });

  it('the keys of a bucket come in exchange for the token of a pod', async () => {
    const file = path.join(temporaryDirectory(), 'token');
    writeFileSync(file, 'web-token\n');
    const service = await startRoleService((_request, body) =>
      new URLSearchParams(body).get('WebIdentityToken') === 'web-token'
        ? '<AssumeRoleWithWebIdentityResponse xmlns="x"><AssumeRoleWithWebIdentityResult><Credentials><AccessKeyId>role</AccessKeyId><SecretAccessKey>secret</SecretAccessKey><SessionToken>token</SessionToken><Expiration>2999-01-01T00:00:00Z</Expiration></Credentials></AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>'
        : undefined,
    );
    const env = {
      ...NOTHING,
      AWS_WEB_IDENTITY_TOKEN_FILE: file,
      AWS_ROLE_ARN: 'arn:aws:iam::1:role/x',
      AWS_ENDPOINT_URL_STS: service,
    };
    expect(await searchIn(env)()).toMatchObject(ROLE);
  });

  it.each(['nonsense', '{}', '{"AccessKeyId":"a"}', '{"AccessKeyId":"a b","SecretAccessKey":"c"}'])(
    'the keys of a bucket are missing where the service of a role answers %s, which no error quotes',
    async (text) => {
      const service = await startRoleService(() => text);
      const env = { ...NOTHING, AWS_CONTAINER_CREDENTIALS_FULL_URI: service };
      const error: unknown = await searchIn(env)().catch((reason: unknown) => reason);
      expect(error).toMatchObject({
        code: 'config-invalid',
        message: expect.not.stringContaining(text) as unknown,
      });
    },
  );
});
