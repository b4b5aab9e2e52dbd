/** What does not end a server, without a server. */
import { expect, onTestFinished, test } from 'vitest';
import { standFast } from '../../../../src/cli/commands/serve/steadfast.ts';

function stand(): { logged: string[]; end: () => void } {
  const logged: string[] = [];
  const note = (fields: object, message: string): void =>
    void logged.push(`${message} ${String((fields as { err?: unknown }).err)}`);
  const end = standFast({ debug: note, error: note });
  onTestFinished(end);
  return { logged, end };
}

test('an uncaught fault of a server is logged as a bug, once in ten seconds', () => {
  const { logged } = stand();
  const [listener] = process.listeners('uncaughtException');
  listener!(new Error('one'), 'uncaughtException');
  listener!(new Error('two'), 'unhandledRejection');
  // The second one came within ten seconds.
  expect(logged).toEqual([expect.stringMatching(/bug in cairn.* Error: one$/)]);
});

test('listeners for uncaught faults are back when a server has ended', () => {
  const before = process.listeners('uncaughtException');
  const { end } = stand();
  expect(process.listeners('uncaughtException')).not.toEqual(before);
  end();
  expect(process.listeners('uncaughtException')).toEqual(before);
});
