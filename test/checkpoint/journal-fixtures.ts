import { KIND, encodeBinding, encodeGroup } from '../../src/checkpoint/checkpoint-records.ts';
import { encodeHeader, encodeRecord, type JournalRecord } from '../../src/checkpoint/journal-format.ts';

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
  return journalOf(records);
}

/** Chunk 2 was partial before it was whole, chunk 3 until it was forgotten; the partial chunks 1 and 5 count. */
function partialJournal(): Buffer {
  const partialChunks = new Map([2, 3].map((chunk) => [chunk, 65_536]));
  const later = new Map([
    [1, 70_000],
    [3, 9],
    [5, 8_388_608],
  ]);
  return journalOf([
    encodeBinding(FIXTURE_BINDING),
    ...encodeGroup({ epoch: 1 }, 8),
    ...encodeGroup({ chunks: [[0, fixtureDigest(0)]], partialChunks }, 8),
    ...encodeGroup({ chunks: [[2, fixtureDigest(2)]], partialChunks: later }, 8),
    ...encodeGroup({ forget: [3] }, 8),
  ]);
}

function journalOf(records: readonly JournalRecord[]): Buffer {
  return Buffer.concat([encodeHeader(), ...records.map((record, index) => encodeRecord(record, index))]);
}

/** The files of `fixtures/journals`, by name; `CAIRN_WRITE_FIXTURES=1 npx vitest run test/checkpoint` writes them. */
export function journalFixtures(): Record<string, Buffer> {
  const whole = wholeJournal();
  return {
    'whole.journal': whole,
    'partial.journal': partialJournal(),
    'torn.journal': whole.subarray(0, whole.length - 10),
    'newer-version.journal': Buffer.concat([
      encodeHeader(2),
      encodeRecord({ kind: KIND.epoch, payload: whole }, 0),
    ]),
  };
}
