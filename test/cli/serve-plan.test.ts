import { describe, expect, it } from 'vitest';
import { planServe } from '../../src/cli/serve-plan.ts';

describe('serve', () => {
  it('listens on loopback and keeps its state in the reserved directory', () => {
    expect(planServe({ root: '/srv' })).toEqual({
      root: '/srv',
      state: '/srv/.cairn',
      listen: { host: '127.0.0.1', port: 7070 },
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

  it('makes sync points as it is told', () => {
    expect(planServe({ root: '/srv', sync: 'close' }).sync).toBe('close');
  });

  it('holds as many sessions as it is told', () => {
    const plan = planServe({ root: '/srv', maxSessions: '20', maxSessionsPerOwner: '3' });
    expect(plan.limits).toEqual({ maxSessions: 20, maxSessionsPerPrincipal: 3 });
  });

  it.each([
    {},
    { root: '/srv', maxSessions: '0' },
    { root: '/srv', maxSessionsPerOwner: 'many' },
    { root: '' },
    { root: '/srv', listen: 'nowhere' },
    { root: '/srv', sessionLease: '1ms' },
    { root: '/srv', logLevel: 'loud' },
    { root: '/srv', sync: 'never' },
  ])('refuses %j', (words) => {
    expect(() => planServe(words)).toThrow(expect.objectContaining({ code: 'usage' }));
  });
});
