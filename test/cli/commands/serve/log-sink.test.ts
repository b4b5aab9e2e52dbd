/** A log whose descriptor is full, fails, or is not read. */
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { createLogSink, type Descriptor } from '../../../../src/cli/commands/serve/log-sink.ts';

type Done = Parameters<Descriptor['write']>[1];

const systemError = (code: string): Error => Object.assign(new Error(code), { code });

/** A descriptor that takes what `behaviour` says of each write: a number of bytes, or an error; else all. */
function openDescriptor() {
  let written = '';
  const state: { behaviour: () => number | string | undefined; isSilent: boolean; tries: number } = {
    behaviour: () => undefined,
    isSilent: false,
    tries: 0,
  };
  const take = (bytes: Uint8Array): number => {
    state.tries += 1;
    const says = state.behaviour();
    if (typeof says === 'string') throw systemError(says);
    const part = bytes.subarray(0, says ?? bytes.byteLength);
    written += Buffer.from(part).toString();
    return part.byteLength;
  };
  const write = (bytes: Uint8Array, done: Done): void => {
    if (state.isSilent) return;
    queueMicrotask(() => {
      let count: number;
      try {
        count = take(bytes);
      } catch (error) {
        done(error as Error, 0);
        return;
      }
      done(null, count);
    });
  };
  const sink = createLogSink({ write, writeSync: take }, (count) => `lost ${count}\n`);
  return { sink, state, lines: () => written.split('\n').slice(0, -1), text: () => written };
}

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

test('log lines are written in their order, even if a write takes only a part of them', async () => {
  const { sink, state, text } = openDescriptor();
  state.behaviour = () => 3;
  for (const line of ['one\n', 'two\n', 'drei €\n']) sink.write(line);
  await vi.runAllTimersAsync();
  expect(text()).toBe('one\ntwo\ndrei €\n');
});

test('log lines that a full disk does not take are lost, and a line tells how many when it goes on', async () => {
  const { sink, state, lines } = openDescriptor();
  state.behaviour = () => 'ENOSPC';
  for (let count = 0; count < 100; count++) {
    sink.write(`line ${count}\n`);
    await vi.advanceTimersByTimeAsync(1000);
  }
  expect(lines()).toEqual([]);
  state.behaviour = () => undefined;
  await vi.advanceTimersByTimeAsync(1000);
  expect(lines()).toEqual(['lost 100']);
  sink.write('after\n');
  await vi.advanceTimersByTimeAsync(0);
  expect(lines()).toEqual(['lost 100', 'after']);
});

test('a log descriptor that fails is tried once a second, and not once a line', async () => {
  const { sink, state } = openDescriptor();
  state.behaviour = () => 'EIO';
  for (let count = 0; count < 5000; count++) sink.write('line\n');
  await vi.advanceTimersByTimeAsync(10_000);
  expect(state.tries).toBeLessThan(15);
});

test('a log line of which a full disk took a part ends before the next one', async () => {
  const { sink, state, lines } = openDescriptor();
  const says = [4, 'ENOSPC'];
  state.behaviour = () => says.shift();
  sink.write('{"half":1}\n');
  await vi.advanceTimersByTimeAsync(2000);
  sink.write('{"whole":1}\n');
  await vi.advanceTimersByTimeAsync(0);
  expect(lines()).toEqual(['{"ha', 'lost 1', '{"whole":1}']);
});

test('a bounded number of log lines waits while a pipe is not read, and the others are counted', async () => {
  const { sink, state, lines } = openDescriptor();
  state.behaviour = () => 'EAGAIN';
  const line = `${'x'.repeat(1023)}\n`;
  for (let count = 0; count < 5000; count++) sink.write(line);
  await vi.advanceTimersByTimeAsync(60_000);
  state.behaviour = () => undefined;
  await vi.advanceTimersByTimeAsync(1000);
  const told = lines().filter((text) => text.startsWith('lost '));
  const lost = told.reduce((sum, text) => sum + Number(text.slice(5)), 0);
  expect(lines().length - told.length + lost).toBe(5000);
  expect(lost).toBeGreaterThan(3800);
  expect(lost).toBeLessThan(4100);
});

test('a log that ends writes what waits, and does not wait for a reader that takes nothing', async () => {
  const { sink, state, lines } = openDescriptor();
  sink.flushSync();
  state.behaviour = () => 'EAGAIN';
  sink.write('one\n');
  await vi.advanceTimersByTimeAsync(0);
  sink.flushSync();
  expect(lines()).toEqual([]);
  state.behaviour = () => undefined;
  sink.flushSync();
  expect(lines()).toEqual(['one']);
});

test('a flush of a log ends when everything is written, and after a second when nothing moves', async () => {
  const { sink, state, lines } = openDescriptor();
  sink.write('one\n');
  await sink.flush();
  expect(lines()).toEqual(['one']);
  state.isSilent = true;
  sink.write('two\n');
  const flushed = sink.flush();
  await vi.advanceTimersByTimeAsync(1000);
  await flushed;
  expect(lines()).toEqual(['one']);
});
