import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { planServe } from '../../../../src/cli/commands/serve/serve-plan.ts';

describe('serve', () => {
  it('listens on loopback and keeps its state in the reserved directory', () => {
    expect(planServe({ root: '/srv' })).toEqual({
      root: '/srv',
      state: '/srv/.cairn',
      listen: { host: '127.0.0.1', port: 7070 },
      tls: undefined,
      trustedProxies: [],
      networkRoot: false,
      leaseMs: undefined,
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
  ])('takes the state %s', (state, expected) => {
    expect(planServe({ root: '/srv', state }).state).toBe(expected);
  });

  it.each(['/srv', '/srv/state', '/srv/..cairn', '/srv/a/.cairn'])(
    'refuses the state %s: it would be served',
    (state) => {
      expect(() => planServe({ root: '/srv', state })).toThrow(
        expect.objectContaining({ code: 'config-invalid' }),
      );
    },
  );

  it('listens beyond this machine only when told so', () => {
    expect(() => planServe({ root: '/srv', listen: '0.0.0.0:7070' })).toThrow(
      expect.objectContaining({ code: 'insecure-listen' }),
    );
    const plan = planServe({ root: '/srv', listen: '0.0.0.0:7070', insecureListen: true });
    expect(plan.listen.host).toBe('0.0.0.0');
  });

  const TLS = { root: '/srv', tlsCert: 'a.crt', tlsKey: '/b.key' };

  it('speaks TLS with files that it is given, and then listens anywhere', () => {
    const { tls, listen } = planServe({ ...TLS, listen: '0.0.0.0:7070' });
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
  ])('accepts client certificates as it is told: %j', (words, clients) => {
    expect(planServe({ ...TLS, tlsClientCa: '/ca.crt', ...words }).tls?.clients).toEqual(clients);
  });

  it.each([
    [{ tlsClientCa: '/ca', tlsClientPath: '/a/../b' }, 'config-invalid'],
    [{ tlsClientCa: '/ca', tlsClientPath: '/.cairn' }, 'config-invalid'],
    [{ tlsClientCa: '/ca', tlsClientPath: 'home' }, 'usage'],
    [{ tlsClientCa: '/ca', tlsClientPath: '/u-{cn}' }, 'usage'],
    [{ tlsClientCa: '/ca', tlsClientScope: 'read,all' }, 'usage'],
    [{ tlsClientCa: '' }, 'usage'],
    [{ tlsClientScope: 'read' }, 'usage'],
    [{ tlsClientPath: '/home' }, 'usage'],
    [{ tlsKey: '' }, 'usage'],
  ])('refuses %j of TLS', (words, code) => {
    expect(() => planServe({ ...TLS, ...words })).toThrow(expect.objectContaining({ code }));
  });

  it('believes the proxies that it is given, and never everybody', () => {
    const { trustedProxies } = planServe({ root: '/srv', trustedProxy: ['127.0.0.1,::1', '10.0.0.0/8'] });
    expect(trustedProxies.map(({ first, bits }) => `${first.toString()}/${bits}`)).toEqual([
      '127.0.0.1/32',
      '::1/128',
      '10.0.0.0/8',
    ]);
    for (const trustedProxy of ['0.0.0.0/0', '::/0', 'proxy.example', '', '10.0.0.0/8,']) {
      expect(() => planServe({ root: '/srv', trustedProxy: [trustedProxy] })).toThrow(
        expect.objectContaining({ code: 'usage' }),
      );
    }
  });

  it('tells its health without a token on this machine only, unless told otherwise', () => {
    expect(planServe({ root: '/srv' }).metricsListen).toBeUndefined();
    const metricsListen = '0.0.0.0:9100';
    expect(() => planServe({ root: '/srv', metricsListen })).toThrow(
      expect.objectContaining({ code: 'insecure-listen' }),
    );
    expect(planServe({ root: '/srv', metricsListen: ':9100' }).metricsListen).toEqual({
      host: '127.0.0.1',
      port: 9100,
    });
    const open = planServe({ root: '/srv', metricsListen, insecureListen: true });
    expect(open.metricsListen).toEqual({ host: '0.0.0.0', port: 9100 });
  });

  it('makes sync points as it is told', () => {
    expect(planServe({ root: '/srv', sync: 'close' }).sync).toBe('close');
  });

  it('holds as many sessions as it is told', () => {
    const plan = planServe({ root: '/srv', limit: ['sessions=20', 'sessions-per-owner=3'] });
    expect(plan.limits).toEqual({ maxSessions: 20, maxSessionsPerPrincipal: 3 });
  });

  it.each([
    {},
    { root: '/srv', limit: ['sessions=0'] },
    { root: '/srv', limit: ['sessions-per-owner=many'] },
    { root: '' },
    { root: '/srv', listen: 'nowhere' },
    { root: '/srv', metricsListen: 'nowhere' },
    { root: '/srv', sessionLease: '1ms' },
    { root: '/srv', logLevel: 'loud' },
    { root: '/srv', sync: 'never' },
  ])('refuses %j', (words) => {
    expect(() => planServe(words)).toThrow(expect.objectContaining({ code: 'usage' }));
  });
});
