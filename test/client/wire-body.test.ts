import { expect, test, vi } from 'vitest';
import { wireBody } from '../../src/client/http/wire-body.ts';

test('a wire body copies small pieces before their buffer is used again, and passes on large ones', async () => {
  const shared = Buffer.alloc(100_000);
  async function* source(): AsyncGenerator<Uint8Array> {
    for (const [value, length] of [
      [1, 1000],
      [2, 30_000],
      [3, 100_000],
      [4, 60_000],
      [5, 10],
    ] as const) {
      shared.fill(value, 0, length);
      yield shared.subarray(0, length);
    }
  }
  let payload = 0;
  const got: number[] = [];
  const sizes: number[] = [];
  for await (const piece of wireBody(source(), 191_002, (bytes) => (payload += bytes))) {
    sizes.push(piece.byteLength);
    for (const byte of piece) got.push(byte);
  }
  expect(sizes).toEqual([31_000, 100_000, 60_010]);
  const counts = [1, 2, 3, 4, 5].map((value) => got.filter((byte) => byte === value).length);
  expect(counts).toEqual([1000, 30_000, 100_000, 60_000, 10]);
  // The rest is the digest, which is no payload.
  expect(payload).toBe(191_002);
});

test('a wire body counts a payload once the next piece is asked for', async () => {
  async function* source(): AsyncGenerator<Uint8Array> {
    yield Buffer.alloc(70_000);
    yield Buffer.alloc(70_000);
  }
  const counted: number[] = [];
  const body = wireBody(source(), 140_000, (bytes) => counted.push(bytes));
  await body.next();
  expect(counted).toEqual([]);
  await body.next();
  expect(counted).toEqual([70_000]);
});

test('a wire body cuts a large piece into slices, and into small ones on a slow line', async () => {
  vi.useFakeTimers({ toFake: ['performance'] });
  try {
    async function* source(): AsyncGenerator<Uint8Array> {
      for (let piece = 0; piece < 2; piece += 1) yield Buffer.alloc(1024 * 1024 + 1000);
    }
    const sizes: number[] = [];
    for await (const slice of wireBody(source(), 2 * 1024 * 1024, () => undefined)) {
      sizes.push(slice.byteLength / 1024);
      vi.advanceTimersByTime(sizes.length < 3 ? 1 : 100);
    }
    const quick = [256, 512];
    const slow = [(1024 * 1024 + 1000) / 1024 - 768, ...Array.from({ length: 15 }, () => 64)];
    expect(sizes).toEqual([...quick, ...slow, 64 + 1000 / 1024]);
  } finally {
    vi.useRealTimers();
  }
});
