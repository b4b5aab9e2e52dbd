/** Which proxy the environment names. */
import { describe, expect, test } from 'vitest';
import { CairnError } from '../../src/base/errors.ts';
import { proxyFor } from '../../src/client/http/proxy.ts';

type Environment = Record<string, string>;

const proxyOf = (url: string, environment: Environment): string | undefined =>
  proxyFor(new URL(url), environment)?.url.origin;

describe('proxies of the environment', () => {
  const ALL = { HTTP_PROXY: 'http://plain:1', HTTPS_PROXY: 'http://secure:2', ALL_PROXY: 'https://any:3' };
  const NOBODY = undefined;

  test.each<[string, Environment, string | undefined]>([
    ['http://a.example/', ALL, 'http://plain:1'],
    ['https://a.example/', ALL, 'http://secure:2'],
    ['https://a.example/', { HTTP_PROXY: 'http://plain:1' }, NOBODY],
    ['https://a.example/', { all_proxy: 'https://any:3' }, 'https://any:3'],
    [
      'https://a.example/',
      { HTTPS_PROXY: 'http://upper:1', https_proxy: 'http://lower:1' },
      'http://lower:1',
    ],
    ['https://a.example/', { https_proxy: '', HTTPS_PROXY: 'http://upper:1' }, 'http://upper:1'],
    ['https://a.example/', { HTTPS_PROXY: 'proxy:3128' }, 'http://proxy:3128'],
    ['https://a.example/', {}, NOBODY],
    // A header of a request to a CGI program.
    ['http://a.example/', { ...ALL, REQUEST_METHOD: 'GET' }, NOBODY],
    ['http://a.example/', { http_proxy: 'http://plain:1', REQUEST_METHOD: 'GET' }, 'http://plain:1'],
    ['http://127.0.0.1:8/', ALL, NOBODY],
    ['https://localhost/', ALL, NOBODY],
    ['https://a.localhost/', ALL, NOBODY],
    ['https://[::1]/', ALL, NOBODY],
    ['http://127.0.0.1/', { ...ALL, CAIRN_PROXY_LOOPBACK: '1' }, 'http://plain:1'],
    ['http://127.0.0.1.example/', ALL, 'http://plain:1'],
  ])('a client finds the proxy for %s in the environment %j', (url, environment, proxy) =>
    expect(proxyOf(url, environment)).toBe(proxy),
  );

  test.each([
    ['https://a.example/', '*', true],
    ['https://a.example/', 'example', true],
    ['https://a.example/', '.example', true],
    ['https://a.example/', '*.example', true],
    ['https://example/', '.example', true],
    ['https://an.other/', 'b, OTHER  c', true],
    ['https://another/', 'other', false],
    ['https://a.example.org/', 'example', false],
    ['https://a.example/', 'a.example:443', true],
    ['https://a.example:8443/', 'a.example:443', false],
    ['http://a.example/', 'a.example:80', true],
    ['https://192.0.2.7/', '192.0.2.0/24', true],
    ['https://192.0.3.7/', '192.0.2.0/24', false],
    ['https://192.0.2.7/', '2.7', false],
    ['https://[2001:db8::7]/', '2001:db8::/32', true],
    ['https://[2001:db8::7]/', '[2001:db8:0::7]', true],
    ['https://[2001:db8::7]:8/', '[2001:db8::7]:8', true],
    ['https://a.example/', ', ,', false],
  ])('a client compares %s with NO_PROXY %j, and goes without a proxy: %s', (url, exceptions, isExcepted) => {
    for (const name of ['NO_PROXY', 'no_proxy']) {
      const environment = { ALL_PROXY: 'http://any:3', [name]: exceptions };
      expect(proxyOf(url, environment)).toBe(isExcepted ? undefined : 'http://any:3');
    }
  });

  test('a proxy has its credentials apart from its URL, which does not show them', () => {
    const proxy = proxyFor(new URL('https://a.example/'), { HTTPS_PROXY: 'http://me:p%40ss@proxy:3128/x' })!;
    expect(proxy.url.href).toBe('http://proxy:3128/');
    expect(proxy.authorization).toBe(`Basic ${Buffer.from('me:p@ss').toString('base64')}`);
    const userOnly = proxyFor(new URL('https://a.example/'), { HTTPS_PROXY: 'http://me@proxy:3128' });
    expect(userOnly?.authorization).toBe(`Basic ${Buffer.from('me:').toString('base64')}`);
  });

  test.each([
    ['socks5://me:secret@proxy:1080', 'SOCKS proxy, which cairn cannot use'],
    ['SOCKS5H://proxy:1080', 'SOCKS proxy'],
    ['ftp://me:secret@proxy', 'not the URL of a proxy'],
    ['http://', 'not the URL of a proxy'],
    ['http://me:secret@proxy:99999', 'not the URL of a proxy'],
    ['http://me:secret%zz@proxy', 'not the URL of a proxy'],
  ])('a client refuses a proxy that is %s, and does not show its password', (value, said) => {
    const refused = (): unknown => proxyFor(new URL('https://a.example/'), { ALL_PROXY: value });
    expect(refused).toThrow(CairnError);
    expect(refused).toThrow(said);
    expect(refused).toThrow(expect.objectContaining({ code: 'config-invalid' }));
    expect(refused).not.toThrow(/secret/);
  });
});
