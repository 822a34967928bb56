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

test('a sentence about members has their names, and short keys of those that are gone', () => {
  const attic = '12D3KooWGwmdsnHpAxxjEQLbVtNSGNQmp1mFL7jznAb25y2nz1PY';
  const gone = '12D3KooWRnqsfgpbeUWxLMKhokGRiTzokzHymVV2Et1K5gDMgFx8';
  const members = [{ peer: attic, name: 'attic' }];
  assert.equal(cluster.naming(`${attic} is back, ${gone} is not`, members), 'attic is back, 12D3Ko…DMgFx8 is not');
  assert.equal(cluster.naming('there is no room here for bafybeierj7gxs5nof4j', members), 'there is no room here for bafybeierj7gxs5nof4j');
});

test('figures that ask for attention stand out, the others do not', () => {
  const tones = (changes) =>
    Object.fromEntries(cluster.figuresOf({ ...CLUSTER, running: 4, queued: 9, ...changes }).map(({ word, value, tone }) => [word, `${value} ${tone}`]));
  assert.deepEqual(tones({}), {
    'Members that count': '3 of 3 idle',
    Pins: '2 idle',
    'With too few copies': '0 idle',
    'Without a copy': '0 idle',
    'On the way here': '4 idle',
    'Waiting here': '9 idle',
  });
  const ill = tones({ alive: 2, under_replicated: 2, without_copy: 1 });
  assert.equal(ill['Members that count'], '2 of 3 busy');
  assert.equal(ill['With too few copies'], '2 busy');
  assert.equal(ill['Without a copy'], '1 bad');
});

test('a proof has its bytes and its age', () => {
  assert.equal(cluster.proved({ proved_bytes: 0, proved_at: null }), 'nothing proved yet');
  assert.equal(cluster.proved({ proved_bytes: 450_000, proved_at: 1_000 }, 121_000), '450 kB proved, 2m ago');
});

test('how many copies were asked for is said in words', () => {
  assert.equal(cluster.askedFor({ replicas_min: null, replicas_max: null }), 'a copy at every member');
  assert.equal(cluster.askedFor({ replicas_min: 1, replicas_max: 1 }), '1 copy');
  assert.equal(cluster.askedFor({ replicas_min: 3, replicas_max: 3 }), '3 copies');
  assert.equal(cluster.askedFor({ replicas_min: 2, replicas_max: 4 }), '2 to 4 copies');
});

test('the last page begins at a whole number of pages and has a root', () => {
  assert.deepEqual([0, 1, 50, 51, 100, 101].map((total) => cluster.lastPage(total, 50)), [0, 0, 0, 50, 50, 100]);
});
