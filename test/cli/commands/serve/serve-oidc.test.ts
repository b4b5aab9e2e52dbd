import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { ServeValues } from '../../../../src/cli/commands/serve/serve-command.ts';
import {
  openOidc,
  oidcSettingsOf,
  type OidcSettings,
} from '../../../../src/cli/commands/serve/serve-oidc.ts';
import { given } from '../../support/given.ts';
import { codeOf } from '../../../suites/staged-transfer.ts';
import { temporaryDirectory } from '../../../support/trees.ts';

const issuer = 'https://login.example.com';
const log = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };

type Options = Parameters<typeof given>[1];

const planned = async (options: Options): Promise<OidcSettings | undefined> =>
  oidcSettingsOf(await given<ServeValues>('serve', options));

test('a server takes no tokens of an issuer unless it is told to', async () => {
  expect(await planned({})).toBeUndefined();
});

test('a server needs an issuer and an audience to take tokens of an issuer', async () => {
  expect(await planned({ oidcIssuer: issuer, oidcAudience: 'files' })).toEqual({
    issuer,
    audience: 'files',
    clientId: undefined,
    configFile: undefined,
  });
});

test.each<[Options, string, string]>([
  [{ oidcIssuer: issuer }, 'usage', '--oidc-audience'],
  [{ oidcAudience: 'a' }, 'usage', '--oidc-issuer'],
  [{ oidcClientId: 'a' }, 'usage', '--oidc-client-id needs --oidc-issuer'],
  [{ oidcConfig: 'a' }, 'usage', '--oidc-config needs --oidc-issuer'],
  [{ oidcIssuer: 'http://login.example.com', oidcAudience: 'a' }, 'config-invalid', 'https'],
  [{ oidcIssuer: 'https://u:secret@x', oidcAudience: 'a' }, 'config-invalid', 'password'],
  [{ oidcIssuer: 'login', oidcAudience: 'a' }, 'config-invalid', 'is not a URL'],
])('the options %j of an issuer are refused with %s and the reason %s', async (words, code, why) => {
  await expect(planned(words)).rejects.toThrow(
    expect.objectContaining({ code, message: expect.stringContaining(why) as string }),
  );
  await expect(planned(words)).rejects.not.toThrow(/secret/);
});

test('a server tells where to log in, and asks only for scopes that it has', async () => {
  // Nobody listens there: a server starts all the same.
  const settings = { issuer: 'http://127.0.0.1:9', audience: 'a', clientId: 'c', configFile: undefined };
  const { login } = await openOidc(settings, log);
  const scopes = ['openid', 'offline_access', 'cairn:read', 'cairn:write', 'cairn:list', 'cairn:admin'];
  expect(login).toEqual({ issuer: settings.issuer, audience: 'a', clientId: 'c', scopes });
  const configFile = join(temporaryDirectory(), 'oidc.json');
  writeFileSync(configFile, '{"scopeClaim":"roles","scopes":{"uploader":["write"]}}');
  const roles = await openOidc({ ...settings, clientId: undefined, configFile }, log);
  expect(roles.login).toEqual({
    issuer: settings.issuer,
    audience: 'a',
    scopes: ['openid', 'offline_access'],
  });
});

test('an OIDC configuration that is missing or wrong ends the start of a server', async () => {
  const configFile = join(temporaryDirectory(), 'oidc.json');
  const settings = { issuer, audience: 'a', clientId: undefined, configFile };
  expect(await codeOf(() => openOidc(settings, log))).toBe('config-invalid');
  writeFileSync(configFile, '{"algorithms":["none"]}');
  expect(await codeOf(() => openOidc(settings, log))).toBe('config-invalid');
});
