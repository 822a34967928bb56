import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runnerImport } from 'vite';

const { module: cluster } = await runnerImport('./src/membership.ts');

const CLUSTER = { members: 3, alive: 3, pins: 2, under_replicated: 0, without_copy: 0 };

test('the worst comes first in the sentence about a cluster', () => {
  assert.deepEqual(cluster.healthOf(CLUSTER), { words: '2 pins, all with enough copies', tone: 'good' });
  assert.equal(cluster.healthOf({ ...CLUSTER, pins: 1, alive: 2 }).words, '1 pin, all with enough copies; 1 of 3 members away');
  assert.equal(cluster.healthOf({ ...CLUSTER, alive: 2, under_replicated: 1 }).words, '2 pins: 1 with too few copies');
  assert.equal(cluster.healthOf({ ...CLUSTER, under_replicated: 2, without_copy: 1 }).tone, 'bad');
});

test('tags are read, and what is none is named', () => {
  assert.deepEqual(cluster.tagsOf('site=attic, disk = ssd,'), { tags: { site: 'attic', disk: 'ssd' }, wrong: [] });
  assert.deepEqual(cluster.tagsOf('a=b=c, plain, =x').wrong, ['plain', '=x']);
  assert.equal(cluster.tagText({ site: 'attic', disk: 'ssd' }), 'site=attic, disk=ssd');
});

test('a member that offers nothing is not full', () => {
  assert.equal(cluster.fullness({ capacity: 0, free: 0 }), 0);
  assert.equal(cluster.fullness({ capacity: 200, free: 50 }), 75);
  assert.equal(cluster.fullness({ capacity: 100, free: 200 }), 0);
});

test('a root at a member that says nothing of it is not there', () => {
  const pin = { members: [{ peer: 'a', state: 'pinned' }] };
  assert.equal(cluster.copyAt(pin, 'a'), 'pinned');
  assert.equal(cluster.copyAt(pin, 'b'), 'none');
});

test('a sentence about members has their names', () => {
  const members = [{ peer: '12D3KooWGwmdsnHpAxxjEQLbVtNSGNQmp1mFL7jznAb25y2nz1PY', name: 'attic' }];
  assert.equal(cluster.naming(`${members[0].peer} is back`, members), 'attic is back');
  assert.equal(cluster.naming('12D3KooWother is back', members), '12D3KooWother is back');
});
