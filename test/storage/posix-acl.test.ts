import fc from 'fast-check';
import { expect, it } from 'vitest';
import { type AclLine, compareAclLines } from '../../src/manifest/metadata.ts';
import { decodeAcl, encodeAcl } from '../../src/storage/disk/tree/posix-acl.ts';

const permissions = fc.integer({ min: 0, max: 7 });
const line: fc.Arbitrary<AclLine> = fc.oneof(
  fc.tuple(fc.constantFrom(1, 4, 16, 32), permissions),
  fc.tuple(fc.constantFrom(2, 8), permissions, fc.integer({ min: 0, max: 2 ** 32 - 2 })),
);

it('an access control list is decoded as it was encoded, in its order', () => {
  fc.assert(
    fc.property(fc.array(line, { minLength: 1, maxLength: 20 }), (lines) => {
      expect(decodeAcl(encodeAcl(lines))).toEqual(lines.toSorted(compareAclLines));
    }),
  );
});

it('named users and groups of an access control list get their names', () => {
  const users = { userName: (uid: number) => (uid === 1 ? 'ann' : undefined), groupName: () => 'staff' };
  const bytes = encodeAcl([
    [1, 7],
    [2, 6, 1],
    [2, 4, 9],
    [8, 4, 3],
  ]);
  expect(decodeAcl(bytes, users)).toEqual([
    [1, 7],
    [2, 6, 1, 'ann'],
    [2, 4, 9],
    [8, 4, 3, 'staff'],
  ]);
});

it('an access control list of an unknown form is not decoded', () => {
  expect(
    [Buffer.alloc(0), Buffer.from('03000000', 'hex'), Buffer.from('02000000', 'hex')].map((bytes) =>
      decodeAcl(bytes),
    ),
  ).toEqual([undefined, undefined, undefined]);
});
