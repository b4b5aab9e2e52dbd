/** What doctor concludes from who answers its requests. */
import { expect, test } from 'vitest';
import { type Answerer, judgeNodes } from '../../../src/client/doctor/check-nodes.ts';

const from = (...names: string[]): Answerer[] =>
  names.map((node) => ({ store: 'one', node, nodes: new Set(names).size }));
const levelsOf = (answers: Answerer[]): string[] => judgeNodes(answers).map(({ level }) => level);

test('requests that reach several servers of one store are fine, and so is a store with one server', () => {
  expect(judgeNodes(from('a', 'b', 'a', 'c'))).toMatchObject([
    { level: 'ok', message: '3 of 3 servers answer, and share one store' },
  ]);
  expect(levelsOf(from('a', 'a'))).toEqual(['ok']);
});

test('a balancer that sends all requests to one of three servers is a warning with a remedy', () => {
  const answers = Array.from({ length: 16 }, () => ({ store: 'one', node: 'a', nodes: 3 }));
  const [finding] = judgeNodes(answers);
  expect(finding).toMatchObject({ level: 'warning', check: 'nodes' });
  expect(finding!.message).toContain('16 requests reached one of 3 servers');
  expect(finding!.remedy).toContain('roundrobin');
});

test('servers without a store in common behind one URL are a problem, whether they are nodes or not', () => {
  const apart = [{ store: 'one' }, { store: 'other' }];
  expect(judgeNodes(apart)).toMatchObject([{ level: 'problem', code: 'session-not-found' }]);
  expect(levelsOf([...from('a', 'b'), { store: 'other', node: 'x', nodes: 1 }])).toEqual(['problem']);
});

test('nothing is said of one server that has its root for itself, nor of one that is too old to say', () => {
  expect(judgeNodes([{ store: 'one' }, { store: 'one' }])).toEqual([]);
  expect(judgeNodes([{}, {}])).toEqual([]);
});
