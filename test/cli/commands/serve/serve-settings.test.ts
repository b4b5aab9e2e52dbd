import path from 'node:path';
import { describe, expect, it } from 'vitest';
import type { ServeValues } from '../../../../src/cli/commands/serve/serve-command.ts';
import { serveSettingsOf, type ServeSettings } from '../../../../src/cli/commands/serve/serve-settings.ts';
import { given } from '../../support/given.ts';

const settings = async (options: Parameters<typeof given>[1]): Promise<ServeSettings> =>
  serveSettingsOf(await given<ServeValues>('serve', options));

describe('cairn serve', () => {
  it('cairn serve listens on loopback and keeps its state in the reserved directory', async () => {
    expect(await settings({ root: '/srv' })).toEqual({
      allowOwners: false,
      drainDelay: 0,
      root: '/srv',
      state: '/srv/.cairn',
      listen: { host: '127.0.0.1', port: 7070 },
      tls: undefined,
      trustedProxy: [],
      networkRoot: false,
      sessionLease: undefined,
      sync: undefined,
      limits: {},
      json: false,
      logLevel: undefined,
    });
  });

  it.each([
    ['/var/lib/cairn', '/var/lib/cairn'],
    ['/srv/.cairn/a', '/srv/.cairn/a'],
    ['/srv/../state', '/state'],
    ['/', '/'],
  ])('cairn serve takes the state %s', async (state, expected) => {
    expect((await settings({ root: '/srv', state })).state).toBe(expected);
  });

  it.each(['/srv', '/srv/state', '/srv/..cairn', '/srv/a/.cairn'])(
    'cairn serve refuses the state %s, which it would serve',
    async (state) => {
      await expect(settings({ root: '/srv', state })).rejects.toThrow(
        expect.objectContaining({ code: 'config-invalid' }),
      );
    },
  );

  it('cairn serve takes a store of several servers, with a state of its own or none', async () => {
    const store = { directory: path.resolve('shared') };
    expect(await settings({ store: 'shared' })).toMatchObject({ store, state: undefined });
    expect(await settings({ store: 'shared', state: 'own' })).toMatchObject({
      store,
      state: path.resolve('own'),
    });
    expect(await settings({ store: 'shared' })).not.toHaveProperty('root');
  });

  it('takes a Redis beside a store alone', async () => {
    const redis = 'redis://cache:7000/1';
    expect(await settings({ store: 'shared', redis })).toMatchObject({
      redis: { host: 'cache', port: 7000 },
    });
    await expect(settings({ root: '/srv', redis })).rejects.toThrow(/--redis needs --store/);
  });

  it.each([
    [{ root: '/srv' }, '--root and --store'],
    [{ networkRoot: true }, '--network-root'],
    [{ sync: 'group' }, '--sync'],
    [{ allowOwners: true }, '--allow-owners'],
    [{ limit: ['free-disk=1G'] }, '--limit free-disk'],
  ])('cairn serve refuses with a store an option that only a disk has: %j', async (options, named) => {
    await expect(settings({ store: 'shared', ...options })).rejects.toThrow(
      expect.objectContaining({ code: 'usage', message: expect.stringContaining(named) as unknown }),
    );
  });

  it('cairn serve takes the URL of a bucket, with the service and the region that are named', async () => {
    const url = 's3://files/cairn';
    expect(await settings({ store: url })).toMatchObject({
      store: { url, endpoint: undefined, region: undefined },
    });
    const words = { s3Endpoint: 'https://{bucket}.s3.example.org', s3Region: 'eu-central-1' };
    expect(await settings({ store: url, ...words })).toMatchObject({
      store: { url, endpoint: words.s3Endpoint, region: words.s3Region },
    });
  });

  it.each([
    [{ root: '/srv', s3Region: 'eu-central-1' }],
    [{ store: 'shared', s3Endpoint: 'https://s3.example.org' }],
    [{ store: 's3://files', s3Endpoint: 'no url' }],
  ])('cairn serve refuses options about a bucket that make no sense: %j', async (options) => {
    await expect(settings(options)).rejects.toThrow(expect.objectContaining({ code: 'usage' }));
  });

  it('cairn serve refuses a store of a kind that it does not know', async () => {
    await expect(settings({ store: 'gs://bucket' })).rejects.toThrow(
      expect.objectContaining({ code: 'usage' }),
    );
  });

  it('cairn serve listens beyond this machine only when told so', async () => {
    await expect(settings({ root: '/srv', listen: '0.0.0.0:7070' })).rejects.toThrow(
      expect.objectContaining({ code: 'insecure-listen' }),
    );
    const planned = await settings({ root: '/srv', listen: '0.0.0.0:7070', insecureListen: true });
    expect(planned.listen.host).toBe('0.0.0.0');
  });

  const TLS = { root: '/srv', tlsCert: 'a.crt', tlsKey: '/b.key' };

  it('cairn serve speaks TLS with files that it is given, and then listens anywhere', async () => {
    const { tls, listen } = await settings({ ...TLS, listen: '0.0.0.0:7070' });
    expect(listen.host).toBe('0.0.0.0');
    expect(tls).toEqual({
      certFile: path.resolve('a.crt'),
      keyFile: '/b.key',
      clientCaFile: undefined,
      clients: undefined,
    });
  });

  it.each([
    [{}, { scopes: ['read', 'write', 'list'], path: [] }],
    [{ tlsClientScope: 'read, list' }, { scopes: ['read', 'list'], path: [] }],
    [{ tlsClientPath: '/home/{cn}/' }, { scopes: ['read', 'write', 'list'], path: ['home', '{cn}'] }],
    [{ tlsClientPath: '/' }, { scopes: ['read', 'write', 'list'], path: [] }],
  ])('cairn serve accepts client certificates as it is told: %j', async (words, clients) => {
    expect((await settings({ ...TLS, tlsClientCa: '/ca.crt', ...words })).tls?.clients).toEqual(clients);
  });

  it.each([
    [{ tlsClientCa: '/ca', tlsClientPath: '/a/../b' }, 'config-invalid'],
    [{ tlsClientCa: '/ca', tlsClientPath: '/.cairn' }, 'config-invalid'],
    [{ tlsClientCa: '/ca', tlsClientPath: 'home' }, 'usage'],
    [{ tlsClientCa: '/ca', tlsClientPath: '/u-{cn}' }, 'usage'],
    [{ tlsClientCa: '/ca', tlsClientScope: 'read,all' }, 'usage'],
    [{ tlsClientScope: 'read' }, 'usage'],
    [{ tlsClientPath: '/home' }, 'usage'],
  ])('cairn serve refuses the TLS options %j', async (words, code) => {
    await expect(settings({ ...TLS, ...words })).rejects.toThrow(expect.objectContaining({ code }));
  });

  it('cairn serve trusts the proxies that it is given, and never all addresses', async () => {
    const { trustedProxy } = await settings({ root: '/srv', trustedProxy: ['127.0.0.1,::1', '10.0.0.0/8'] });
    expect(trustedProxy.map(({ first, bits }) => `${first.toString()}/${bits}`)).toEqual([
      '127.0.0.1/32',
      '::1/128',
      '10.0.0.0/8',
    ]);
    for (const word of ['0.0.0.0/0', '::/0', 'proxy.example', '', '10.0.0.0/8,']) {
      await expect(settings({ root: '/srv', trustedProxy: [word] })).rejects.toThrow(
        expect.objectContaining({ code: 'usage' }),
      );
    }
  });

  it('cairn serve tells its health without a token on this machine only, unless told otherwise', async () => {
    expect((await settings({ root: '/srv' })).metricsListen).toBeUndefined();
    const metricsListen = '0.0.0.0:9100';
    await expect(settings({ root: '/srv', metricsListen })).rejects.toThrow(
      expect.objectContaining({ code: 'insecure-listen' }),
    );
    expect((await settings({ root: '/srv', metricsListen: ':9100' })).metricsListen).toEqual({
      host: '127.0.0.1',
      port: 9100,
    });
    const open = await settings({ root: '/srv', metricsListen, insecureListen: true });
    expect(open.metricsListen).toEqual({ host: '0.0.0.0', port: 9100 });
  });

  it('cairn serve makes sync points as it is told', async () => {
    expect((await settings({ root: '/srv', sync: 'close' })).sync).toBe('close');
  });

  it('cairn serve holds as many sessions as it is told', async () => {
    const planned = await settings({ root: '/srv', limit: ['sessions=20', 'sessions-per-owner=3'] });
    expect(planned.limits).toEqual({ maxSessions: 20, maxSessionsPerPrincipal: 3 });
  });

  it.each([
    {},
    { root: '/srv', limit: ['sessions=0'] },
    { root: '/srv', limit: ['sessions-per-owner=many'] },
    { root: '/srv', listen: 'nowhere' },
    { root: '/srv', metricsListen: 'nowhere' },
    { root: '/srv', sessionLease: '1ms' },
    { root: '/srv', logLevel: 'loud' },
    { root: '/srv', sync: 'never' },
  ])('cairn serve refuses the options %j', async (words) => {
    await expect(settings(words)).rejects.toThrow(expect.objectContaining({ code: 'usage' }));
  });
});
