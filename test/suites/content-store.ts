import { describe } from 'vitest';
import { addingTests } from './content-store-adding.ts';
import { documentTests } from './content-store-documents.ts';
import { publishTests } from './content-store-publish.ts';
import { readingTests } from './content-store-reading.ts';
import { removalTests } from './content-store-removal.ts';
import { replaceTests } from './content-store-replace.ts';
import { stagingTests } from './content-store-staging.ts';
import { streamTests } from './content-store-streams.ts';
import type { MakeStore } from './staged-transfer.ts';
import { typeTests } from './content-store-types.ts';

/** What every content store must do, as vitest tests. */
export function contentStoreSuite(name: string, makeStore: MakeStore): void {
  describe(`${name}: staging chunks`, () => stagingTests(makeStore));
  describe(`${name}: publishing`, () => publishTests(makeStore));
  describe(`${name}: replacing what is there`, () => replaceTests(makeStore));
  describe(`${name}: entries of another type than what is there`, () => typeTests(makeStore));
  describe(`${name}: adding to what is there`, () => addingTests(makeStore));
  describe(`${name}: removing what a mirror does not have`, () => removalTests(makeStore));
  describe(`${name}: streams`, () => streamTests(makeStore));
  describe(`${name}: scanning and reading`, () => readingTests(makeStore));
  describe(`${name}: documents and staging areas`, () => documentTests(makeStore));
}
