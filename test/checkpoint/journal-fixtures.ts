import { KIND, encodeBinding, encodeGroup } from '../../src/checkpoint/checkpoint-records.ts';
import { encodeHeader, encodeRecord } from '../../src/checkpoint/journal-format.ts';

/** What the journals in `fixtures/journals` are of. */
export const FIXTURE_BINDING = { manifestId: 'ab'.repeat(32), digestLengthBytes: 8 };

/** A digest for `chunk` that is easy to see in a hex dump. */
export function fixtureDigest(chunk: number): Uint8Array {
  return new Uint8Array(8).fill(0x10 + chunk);
}

function wholeJournal(): Buffer {
  const chunks = [0, 1, 2, 300].map((chunk) => [chunk, fixtureDigest(chunk % 200)] as const);
  const records = [
    encodeBinding(FIXTURE_BINDING),
    ...encodeGroup({ epoch: 1 }, 8),
    ...encodeGroup({ chunks, note: { state: 'open', source: { inode: '12' } } }, 8),
    ...encodeGroup({ epoch: 2, forget: [1], note: { state: 'committing' } }, 8),
  ];
  return Buffer.concat([encodeHeader(), ...records.map((record, index) => encodeRecord(record, index))]);
}

/** The files of `fixtures/journals`, by name; `CAIRN_WRITE_FIXTURES=1 npx vitest run test/checkpoint` writes them. */
export function journalFixtures(): Record<string, Buffer> {
  const whole = wholeJournal();
  return {
    'whole.journal': whole,
    'torn.journal': whole.subarray(0, whole.length - 10),
    'newer-version.journal': Buffer.concat([
      encodeHeader(2),
      encodeRecord({ kind: KIND.epoch, payload: whole }, 0),
    ]),
  };
}
