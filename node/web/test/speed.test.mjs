import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runnerImport } from 'vite';

const { module: speed } = await runnerImport('./src/speed.ts');

test('speed follows the last seconds and forgets older ones', () => {
  const meter = new speed.SpeedMeter();
  assert.equal(meter.add(0, 0), 0);
  assert.equal(meter.add(1000, 1000), 1000);
  assert.equal(meter.add(1000, 20_000), 0);
});

test('a resumed upload does not count what was sent before', () => {
  const meter = new speed.SpeedMeter();
  meter.add(0, 0);
  meter.add(5000, 1000);
  meter.reset();
  assert.equal(meter.add(900_000, 2000), 0);
  assert.equal(meter.add(901_000, 3000), 1000);
});
