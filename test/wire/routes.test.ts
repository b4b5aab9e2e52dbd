import { describe, expect, it } from 'vitest';
import { PROTOCOL_ROOT, protocolLink, protocolRootOf, ROUTE } from '../../src/wire/routes.ts';
import { cpuNowMs } from '../support/cpu-time.ts';

describe('the Link header', () => {
  it.each([
    ['/', 'http://host/'],
    ['/a', 'http://host/a'],
    ['/a/', 'http://host/a/'],
    ['/a/b', 'http://host/a/b'],
    ['/a/b/', 'http://host/a/b/'],
    ['/a%2Fb/c%20d', 'http://host/a%2Fb/c%20d'],
    ['/a:b/c', 'http://host/a:b/c'],
  ])(
    'the Link header leads from %s back to the protocol root, also below the prefix of a proxy',
    (path, url) => {
      const link = protocolLink(path);
      expect(protocolRootOf(link, new URL(url))?.href).toBe(`http://host/${PROTOCOL_ROOT}`);
      const proxied = new URL(`https://proxy:8443/some/prefix${path}`);
      expect(protocolRootOf(link, proxied)?.href).toBe(`https://proxy:8443/some/prefix/${PROTOCOL_ROOT}`);
    },
  );

  it('the Link header to the protocol root is found among others', () => {
    const link = `</style.css>; rel="preload", ${protocolLink('/a/b')}, <x>; rel="next"`;
    expect(protocolRootOf(link, new URL('http://h/a/b'))?.href).toBe(`http://h/${PROTOCOL_ROOT}`);
  });

  it.each([
    undefined,
    '',
    '</x>; rel="next"',
    'rel="urn:cairn:protocol"',
    '<>; rel="urn:cairn:protocol:other"',
    '<http://[broken>; rel="urn:cairn:protocol"',
  ])('the Link header to the protocol root is not found in %j', (link) => {
    expect(protocolRootOf(link, new URL('http://host/a'))).toBeUndefined();
  });

  it.each([
    'https://evil/.cairn/v1/',
    '//evil/.cairn/v1/',
    'http://host:81/.cairn/v1/',
    'file:///.cairn/v1/',
    'javascript:x',
  ])('the Link header never leads to another origin: %s', (reference) => {
    const link = `<${reference}>; rel="urn:cairn:protocol"`;
    expect(protocolRootOf(link, new URL('http://host/a'))).toBeUndefined();
  });

  it('a hostile Link header of 50,000 characters costs less than 2 seconds of a processor', () => {
    const began = cpuNowMs();
    protocolRootOf('<'.repeat(50_000), new URL('http://host/'));
    protocolRootOf(`<>${' '.repeat(50_000)};`, new URL('http://host/'));
    protocolRootOf(`<>;${' '.repeat(50_000)}`, new URL('http://host/'));
    expect(cpuNowMs() - began).toBeLessThan(2000);
  });
});

describe('routes', () => {
  it('every route with an id or a path stays below the protocol root', () => {
    const base = new URL('http://host/prefix/.cairn/v1/');
    const id = 's'.repeat(22);
    const routes = [ROUTE.session(id), ROUTE.chunk(id, 7), ROUTE.tree('/a b?c&d#é/%2e', true)];
    for (const route of routes) expect(new URL(route, base).href.startsWith(base.href)).toBe(true);
  });

  it('a route carries any path of a tree whole', () => {
    const path = '/a b?c&path=x#é/%2e+';
    const { searchParams } = new URL(ROUTE.tree(path, false), 'http://host/');
    expect([searchParams.get('path'), searchParams.get('recursive')]).toEqual([path, '0']);
  });
});
