import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DIGEST_ALGORITHMS } from '../../src/manifest/digest.ts';
import { CHUNK_ENCODINGS } from '../../src/session/encoding.ts';
import type { CommitRecord, PassRecord } from '../../src/session/pass-record.ts';
import { formatRecord, parseRecord } from '../../src/session/record-schema.ts';
import type { SessionRecord } from '../../src/session/record.ts';
import { SESSION_STATES } from '../../src/session/session-states.ts';
import { SYNC_MODES } from '../../src/session/sync-mode.ts';
import { recordOf } from '../suites/session-store.ts';

const HALF_DONE = path.resolve(import.meta.dirname, '../../fixtures/half-done/server/sessions');

/** As JSON.parse makes them. */
const PLAIN = { noNullPrototype: true };

const count = fc.maxSafeNat();
const text = fc.string();
const commit: fc.Arbitrary<CommitRecord> = fc.record(
  {
    digest: text,
    bytesTotal: count,
    excluded: fc.array(count),
    entriesTotal: count,
    leaveOut: fc.boolean(),
    unpublished: fc.array(fc.record({ code: text, entries: fc.array(count) }, PLAIN)),
  },
  { requiredKeys: ['digest', 'bytesTotal', 'excluded', 'entriesTotal'], ...PLAIN },
);
const pass: fc.Arbitrary<PassRecord> = fc.record(
  {
    direction: fc.constantFrom('push', 'pull'),
    manifestId: fc.option(text),
    digest: fc.constantFrom(...DIGEST_ALGORITHMS),
    chunkSizeBytes: count,
    sync: fc.constantFrom(...SYNC_MODES),
    preserveModes: fc.boolean(),
    keepsTarget: fc.boolean(),
    durableSyncPoint: count,
    bytesTotal: count,
    bytesDone: count,
    manifestBytes: count,
    entries: count,
    linkBytes: count,
    commit: fc.option(commit),
  },
  { requiredKeys: ['direction', 'manifestId', 'digest', 'chunkSizeBytes', 'commit'], ...PLAIN },
);
const record: fc.Arbitrary<SessionRecord> = fc.record(
  {
    id: fc.constant('a'.repeat(22)),
    version: count,
    principal: text,
    target: text,
    parallel: count,
    encodings: fc.array(fc.constantFrom(...CHUNK_ENCODINGS)),
    state: fc.constantFrom(...SESSION_STATES),
    epoch: count,
    credentialHash: text,
    holder: fc.option(text),
    createdAtMs: count,
    leaseExpiresAtMs: count,
    publisher: fc.record({ node: text, term: count, untilMs: count }, PLAIN),
    pass,
  },
  {
    requiredKeys: [
      'id',
      'version',
      'principal',
      'target',
      'parallel',
      'state',
      'epoch',
      'credentialHash',
      'holder',
      'createdAtMs',
      'leaseExpiresAtMs',
      'pass',
    ],
    ...PLAIN,
  },
);

describe('JSON of session records', () => {
  it('a session record is read from its JSON as it was', () => {
    fc.assert(
      fc.property(record, (original) => {
        expect(parseRecord(formatRecord(original), 'a record')).toStrictEqual(original);
      }),
    );
  });

  it('the JSON of a session record is one flat object, with the members of the pass beside those of the session', () => {
    fc.assert(
      fc.property(record, (original) => {
        const { pass: own, ...session } = original;
        // No name stands for two things.
        expect(Object.keys(own).filter((name) => name in session)).toEqual([]);
        expect(JSON.parse(formatRecord(original))).toEqual({ ...session, ...own });
      }),
    );
  });

  it('a session record that lacks a member or has a wrong one is refused', () => {
    const flat = JSON.parse(formatRecord(recordOf('a'))) as Record<string, unknown>;
    for (const name of Object.keys(flat)) {
      const { [name]: _, ...others } = flat;
      expect(parseRecord(JSON.stringify(others), 'a record'), `without ${name}`).toBeUndefined();
      expect(parseRecord(JSON.stringify({ ...flat, [name]: [] }), 'a record'), name).toBeUndefined();
    }
  });

  it('a record that an older server wrote keeps its members when it is read and written again', () => {
    const names = readdirSync(HALF_DONE).filter((name) => name.endsWith('.json'));
    expect(names).not.toEqual([]);
    for (const name of names) {
      const written = readFileSync(path.join(HALF_DONE, name), 'utf8');
      const read = parseRecord(written, name)!;
      expect(read.pass.direction).toMatch(/^pu(?:sh|ll)$/);
      expect(JSON.parse(formatRecord(read))).toEqual(JSON.parse(written));
    }
  });
});
