import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CairnError, ERROR_TABLE, type ErrorCode } from '../../src/base/errors.ts';
import { errorOfResponse, PROBLEM_TYPE, problemOf } from '../../src/wire/problem.ts';

const CODES = Object.keys(ERROR_TABLE) as ErrorCode[];
/** What a command finds out itself, and nobody can tell it. */
const OWN_CODES: readonly ErrorCode[] = [
  'partial',
  'time-out-of-range',
  'destination-changed',
  'too-many-deletions',
  'source-command-failed',
  'interrupted',
  'terminated',
];
const CODES_OF_PEERS = CODES.filter((code) => !OWN_CODES.includes(code));

describe('problem documents', () => {
  it.each(CODES_OF_PEERS)('a problem document carries %s to the other side and back', (code) => {
    const details = { path: 'a/ünï', chunk: 7, exact: true, numbers: [1, 2], names: ['x', 'y'] };
    const error = new CairnError(code, `what happened with ${code}`, { details, cause: new Error('secret') });
    const problem = problemOf(error);
    expect(problem).toMatchObject({ status: ERROR_TABLE[code].httpStatus, type: `urn:cairn:error:${code}` });
    const text = JSON.stringify(problem);
    expect(text).not.toContain('secret');
    const back = errorOfResponse(problem.status, `${PROBLEM_TYPE}; charset=utf-8`, text);
    expect([back.code, back.message, back.details]).toEqual([code, error.message, details]);
    expect(back.traits).toEqual(error.traits);
  });

  it.each(OWN_CODES)('a problem document does not make the other side end with %s', (code) => {
    const said = errorOfResponse(409, PROBLEM_TYPE, JSON.stringify({ code, detail: 'x' }));
    expect(said.code).toBe('not-a-cairn-server');
    expect(errorOfResponse(409, undefined, '', code).code).toBe('network');
  });

  it('a problem document says nothing that only the other side can know of itself', () => {
    const details = { isKept: true, isToReadAgain: true, isOutputClosed: true, isolated: true, limit: 'x' };
    const said = errorOfResponse(409, PROBLEM_TYPE, JSON.stringify({ code: 'network', details }));
    expect(said.details).toEqual({ isolated: true, limit: 'x' });
  });

  it('a problem document has no details where the error has none', () => {
    expect(Object.keys(problemOf(new CairnError('network', 'x')))).not.toContain('details');
  });
});

describe('errors of responses', () => {
  it('every response with an error status gives a CairnError, whatever its body is', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 400, max: 599 }),
        fc.oneof(
          fc.string({ unit: 'binary' }),
          fc.json(),
          fc.json().map((json) => `{"code":"network","details":${json}}`),
        ),
        (status, body) => {
          const error = errorOfResponse(status, PROBLEM_TYPE, body);
          expect(error).toBeInstanceOf(CairnError);
          expect(CODES).toContain(error.code);
        },
      ),
    );
  });

  it.each([
    [401, 'network'],
    [403, 'network'],
    [404, 'network'],
    [408, 'timeout'],
    [413, 'body-too-large'],
    [429, 'rate-limited'],
    [507, 'storage-full'],
    [500, 'server-busy'],
    [502, 'server-busy'],
    [503, 'server-busy'],
    [504, 'server-busy'],
    [400, 'network'],
    [405, 'network'],
    [418, 'network'],
    [301, 'not-a-cairn-server'],
  ])('a response %i of something that is no cairn server counts as %s', (status, code) => {
    expect(errorOfResponse(status, 'text/html', '<h1>no</h1>').code).toBe(code);
    expect(errorOfResponse(status, undefined, '').code).toBe(code);
  });

  it.each([
    [401, 'unauthenticated'],
    [403, 'forbidden'],
    [404, 'not-found'],
    [413, 'manifest-too-large'],
    [503, 'server-busy'],
    [409, 'not-a-cairn-server'],
  ])('a response whose problem document has no code counts by its status: %i is %s', (status, code) => {
    expect(errorOfResponse(status, PROBLEM_TYPE, '{"type":"about:blank","title":"no"}').code).toBe(code);
  });

  it.each([
    ['is cut', '{"code":"network","det'],
    ['is null', 'null'],
    ['is an array', '["network"]'],
    ['is text', '"network"'],
    ['has no code', '{}'],
    ['has a code that is no text', '{"code":{"toString":"network"}}'],
    ['has an inherited name as code', '{"code":"toString"}'],
    ['has __proto__ as code', '{"code":"__proto__"}'],
    ['has a code of a newer version', '{"code":"code-of-tomorrow"}'],
    ['hides its code in a prototype', '{"__proto__":{"code":"network"}}'],
  ])('a response counts by its status when its problem document %s', (_what, body) => {
    expect(errorOfResponse(503, PROBLEM_TYPE, body).code).toBe('server-busy');
  });

  it('a response counts by its status when its content type is not that of a problem document', () => {
    expect(errorOfResponse(503, 'application/json', '{"code":"not-found"}').code).toBe('server-busy');
  });

  it('an error of a response keeps only plain details, and none that reach a prototype', () => {
    const body = `{"code":"network","detail":"x","details":{"__proto__":["polluted"],"constructor":"c","a":{"b":1},"n":null,"mixed":[1,"x"],"deep":[[1]],"ok":1,"list":[1,2]}}`;
    const { details } = errorOfResponse(502, PROBLEM_TYPE, body);
    expect(Object.entries(details)).toEqual([
      ['constructor', 'c'],
      ['ok', 1],
      ['list', [1, 2]],
    ]);
    expect(Object.getPrototypeOf(details)).toBe(Object.prototype);
    expect(({} as { polluted?: unknown }).polluted).toBeUndefined();
  });

  it.each(['[1]', '"x"', 'null', '7'])(
    'an error of a response has no details where these are %s',
    (details) => {
      const error = errorOfResponse(502, PROBLEM_TYPE, `{"code":"network","detail":5,"details":${details}}`);
      expect([error.message, error.details]).toEqual(['network', {}]);
    },
  );

  it('an error of a response has a message that is cut when long, and cannot move the cursor', () => {
    const detail = `\u001b[2J\r\u202e${'😀'.repeat(5000)}`;
    const { message } = errorOfResponse(502, PROBLEM_TYPE, JSON.stringify({ code: 'network', detail }));
    expect(message.length).toBeLessThan(2100);
    expect(message.isWellFormed()).toBe(true);
    expect(message).toMatch(/^\\x1b\[2J\\x0d\\u\{202e\}😀/u);
  });
});

describe('answers to HEAD', () => {
  it('an answer to HEAD names its error in a header, and a problem document counts before that', () => {
    expect(errorOfResponse(409, undefined, '', 'session-suspended').code).toBe('session-suspended');
    expect(errorOfResponse(409, undefined, '', 'constructor').code).toBe('network');
    const body = JSON.stringify({ code: 'session-fenced', detail: 'x' });
    expect(errorOfResponse(409, PROBLEM_TYPE, body, 'session-suspended').code).toBe('session-fenced');
  });
});
