/** The record of a push that has begun. */

/** What is kept of a push, all but when it was made and touched. */
export function keptPush(times: { leaseMs: number; endsInMs: number }): object {
  const session = {
    session: 'S'.repeat(22),
    credential: 'C'.repeat(43),
    epoch: 1,
    state: 'open',
    direction: 'push',
    digest: 'xxh64',
    chunkSizeBytes: 65_536,
    parallel: 1,
    holdsPartialChunks: true,
    manifestId: null,
    resumed: false,
    ...times,
  };
  return {
    version: 1,
    direction: 'push',
    url: 'http://host/a',
    local: ['/a'],
    resumeCommand: ['cairn'],
    session,
    manifestId: 'm',
    chunkSizeBytes: 65_536,
    digest: 'xxh64',
    plan: { have: [], attributes: [] },
    bytesTotal: 1,
    bytesSkipped: 0,
    bytesDone: 0,
    landing: null,
    phase: 'transferring',
    agreed: null,
  };
}
