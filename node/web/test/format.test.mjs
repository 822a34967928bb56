import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runnerImport } from 'vite';

const { module: format } = await runnerImport('./src/format.ts');

test('sizes keep three digits and decimal units', () => {
  assert.equal(format.bytes(0), '0 B');
  assert.equal(format.bytes(999), '999 B');
  assert.equal(format.bytes(1_234_567), '1.23 MB');
  assert.equal(format.bytes(999_999), '1.00 MB');
  assert.equal(format.bytes(45_600_000_000), '45.6 GB');
});

test('durations read like a clock', () => {
  assert.equal(format.clock(5.3), '0:05');
  assert.equal(format.clock(59.7), '1:00');
  assert.equal(format.clock(3723), '1:02:03');
});

test('time left is empty while the speed is unknown', () => {
  assert.equal(format.remaining(Number.POSITIVE_INFINITY), '');
  assert.equal(format.remaining(Number.NaN), '');
  assert.equal(format.remaining(0.2), '1 s left');
  assert.equal(format.remaining(150), 'about 3 min left');
});

test('tags are trimmed, and neither empty nor twice', () => {
  assert.deepEqual(format.tagsFrom(' a, b,, a ,c d'), ['a', 'b', 'c d']);
  assert.deepEqual(format.tagsFrom(' '), []);
});
