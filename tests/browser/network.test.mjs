import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openPage, screenshot, videoUntil } from './chromium.mjs';
import { call, CLIP, startNode, uploaded } from './node.mjs';

const JSON_BODY = { 'content-type': 'application/json' };
/** Two nodes meet, tell, fetch and tell again. */
const PATIENCE = 90_000;

async function origin(t) {
  const node = await startNode(t);
  const profile = { name: 'Meadow', about: 'Films about rabbits.' };
  await call(node, '/api/v1/publisher', { method: 'PUT', headers: JSON_BODY, body: JSON.stringify(profile) });
  const asset = await uploaded(node, CLIP);
  const patch = { title: 'Rabbit & friends', tags: ['animation'] };
  await call(node, `/api/v1/assets/${asset.id}`, { method: 'PATCH', headers: JSON_BODY, body: JSON.stringify(patch) });
  return { node, asset };
}

test('a publisher is followed by the address of its web app, found, copied, played and shown', async (t) => {
  const { node: there, asset } = await origin(t);
  const here = await startNode(t);
  const { page: theirs, watch: watchThem } = await openPage(t, there, { colorScheme: 'light' });
  const { page, watch } = await openPage(t, here);

  await theirs.goto(`${there.api}/watch/${asset.id}`);
  await theirs.getByRole('button', { name: 'Make public' }).click();
  await theirs.getByRole('dialog').getByRole('button', { name: 'Make public' }).click();
  await theirs.getByText('Signature verified').waitFor({ timeout: PATIENCE });

  await page.goto(`${here.api}/network`);
  await page.getByText('Nobody yet.').waitFor();
  await page.getByRole('button', { name: 'Follow', exact: true }).click();
  const dialog = page.getByRole('dialog', { name: 'Follow a publisher' });
  await dialog.getByLabel('Whom').fill(there.api);
  await dialog.getByLabel('How much').selectOption('all');
  await screenshot(page, 'network-follow');
  await dialog.getByRole('button', { name: 'Follow' }).click();
  await page.getByRole('link', { name: 'Meadow' }).waitFor({ timeout: PATIENCE });
  await page.getByText('Up to date').first().waitFor({ timeout: PATIENCE });
  await screenshot(page, 'network');

  await page.getByRole('link', { name: 'Discover' }).click();
  await page.getByRole('searchbox').fill('rabbit');
  const card = page.locator(`[data-announced="${asset.id}"]`);
  await card.waitFor({ timeout: PATIENCE });
  await page.locator(`[data-announced="${asset.id}"][data-here="whole"]`).waitFor({ timeout: PATIENCE });
  await page.waitForFunction(() => document.querySelector('[data-announced] img')?.naturalWidth > 0);
  await screenshot(page, 'discover');

  await card.getByRole('heading').getByRole('link').click();
  await page.getByText('Signature verified').waitFor();
  await page.locator('media-play-button').click();
  const end = await videoUntil(page, 'playing the copy to its end', ({ ended }) => ended);
  assert.ok(Math.abs(end.duration - asset.duration) < 0.3, `${end.duration} s long, the source ${asset.duration} s`);
  await page.evaluate(() => scrollTo(0, 0));
  await screenshot(page, 'announced');

  await page.goto(`${here.api}/network/replication`);
  await page.getByText('Held', { exact: true }).waitFor();
  await screenshot(page, 'network-replication');
  await page.getByRole('button', { name: 'Pause' }).click();
  await page.getByText('Paused').waitFor();

  // The publisher sees who holds a copy.
  await theirs.getByText('Copies: 1').waitFor({ timeout: PATIENCE });
  await screenshot(theirs, 'watch-announced');

  // And who follows; a follower can be forgotten, and a peer sent away.
  await theirs.goto(`${there.api}/network`);
  await theirs.getByRole('button', { name: 'Forget' }).click({ timeout: PATIENCE });
  await theirs.getByText('No node has told this one that it follows.').waitFor();
  assert.deepEqual((await call(there, '/api/v1/followers')).items, []);
  await theirs.goto(`${there.api}/network/peers`);
  const away = theirs.getByRole('button', { name: 'Disconnect' });
  await screenshot(theirs, 'network-peers');
  await away.first().click({ timeout: PATIENCE });
  await away.waitFor({ state: 'detached', timeout: PATIENCE });
  watch.check();
  watchThem.check();
});

test('what is retracted leaves the followers, and its page shows who obeyed', async (t) => {
  const { node: there, asset } = await origin(t);
  const here = await startNode(t);
  await call(there, `/api/v1/assets/${asset.id}/publish`, { method: 'POST' });
  const follow = { target: there.api, replicate: 'all' };
  await call(here, '/api/v1/follows', { method: 'POST', headers: JSON_BODY, body: JSON.stringify(follow) });
  const { page, watch } = await openPage(t, here, { viewport: { width: 390, height: 844 } });
  await page.goto(`${here.api}/discover`);
  await page.locator('[data-here="whole"]').waitFor({ timeout: PATIENCE });
  await screenshot(page, 'discover-mobile');

  const { page: theirs, watch: watchThem } = await openPage(t, there);
  await theirs.goto(`${there.api}/watch/${asset.id}`);
  await theirs.getByText('Copies: 1').waitFor({ timeout: PATIENCE });
  await theirs.getByRole('button', { name: 'Retract' }).click();
  const dialog = theirs.getByRole('dialog', { name: 'Retract this video?' });
  await dialog.getByLabel('Reason').fill('wrong file');
  await dialog.getByRole('button', { name: 'Retract' }).click();
  await theirs.getByText('Reason given: wrong file').waitFor({ timeout: PATIENCE });
  await theirs.getByText('Deleted it').waitFor({ timeout: PATIENCE });
  await screenshot(theirs, 'watch-retracted');
  await page.locator('[data-announced]').waitFor({ state: 'detached', timeout: PATIENCE });
  watch.check();
  watchThem.check();
});

test('a publisher is blocked and un-blocked', async (t) => {
  const { node: there } = await origin(t);
  const { publisher } = await call(there, '/api/v1/publisher');
  const here = await startNode(t);
  await call(here, '/api/v1/follows', { method: 'POST', headers: JSON_BODY, body: JSON.stringify({ target: there.api }) });
  const { page, watch } = await openPage(t, here, { colorScheme: 'light' });
  await page.goto(`${here.api}/network`);
  await page.getByRole('link', { name: 'Meadow' }).click();
  await page.getByRole('heading', { name: 'Meadow' }).waitFor();
  const rss = await page.locator('head link[rel="alternate"][type="application/rss+xml"]').getAttribute('href');
  assert.match(rss, new RegExp(publisher), 'podcast programs find the feed from the page');
  await screenshot(page, 'publisher');
  await page.getByRole('button', { name: 'Block' }).click();
  const dialog = page.getByRole('dialog', { name: 'Block' });
  await dialog.getByLabel('Reason').fill('too many rabbits');
  await dialog.getByRole('button', { name: 'Block' }).click();
  await page.getByText('Blocked', { exact: true }).waitFor();
  await page.goto(`${here.api}/network/blocks`);
  await page.getByText('too many rabbits').waitFor();
  await screenshot(page, 'network-blocks');
  await page.getByRole('button', { name: 'Un-block' }).click();
  await page.getByText('Nobody is blocked.').waitFor();
  const { items } = await call(here, '/api/v1/blocks');
  assert.deepEqual(items, [], publisher);
  watch.check();
});
