import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openPage, screenshot, videoUntil } from './chromium.mjs';
import { call, CLIP, settled, startNode } from './node.mjs';

test('a clip is uploaded in the page, watched to its end, sought in and shown in another quality', async (t) => {
  const node = await startNode(t);
  const { page, watch } = await openPage(t, node);

  await page.goto(node.api);
  await page.getByText('Upload videos').waitFor();
  await screenshot(page, 'library-empty');
  await page.getByLabel('Video files').setInputFiles(CLIP);
  await page.locator('.upload[data-phase="done"]').waitFor();
  const card = page.locator('.asset');
  await card.waitFor();
  const id = await card.getAttribute('data-asset');
  // The card becomes ready by events alone.
  await page.locator('.asset[data-state="ready"]').waitFor({ timeout: 240_000 });
  const asset = await settled(node, id);
  await page.waitForFunction(() => document.querySelector('.asset img')?.naturalWidth > 0);
  await screenshot(page, 'library');

  await card.getByRole('link').click();
  const root = page.getByRole('textbox', { name: 'Root CID' });
  await root.waitFor();
  assert.equal(await root.inputValue(), asset.root);
  await page.locator('media-play-button').click();
  const end = await videoUntil(page, 'playing to the end', ({ ended }) => ended);
  assert.ok(Math.abs(end.duration - asset.duration) < 0.3, `${end.duration} s long, the source ${asset.duration} s`);
  assert.ok(end.time > end.duration - 0.1, `ended at ${end.time} s`);
  assert.ok(end.frames > 100, `${end.frames} frames were shown`);
  assert.ok(end.audio === null || end.audio > 0, 'sound was decoded');

  await seek(page, 0.5);
  await videoUntil(page, 'seeking to the middle', ({ time, ended }) => !ended && Math.abs(time - end.duration / 2) < 0.5);

  const heights = asset.renditions.filter(({ kind }) => kind === 'video').map(({ height }) => height);
  assert.ok(heights.length > 1, 'the clip has several renditions');
  for (const height of [Math.min(...heights), Math.max(...heights)]) await watchIn(page, height);
  // The clicks above may have scrolled.
  await page.evaluate(() => scrollTo(0, 0));
  await screenshot(page, 'watch');
  watch.check();
});

test('details are edited, and deleting removes the video everywhere', async (t) => {
  const node = await startNode(t);
  const { page, watch } = await openPage(t, node, { viewport: { width: 390, height: 844 }, colorScheme: 'light' });
  await page.goto(node.api);
  await page.getByLabel('Video files').setInputFiles(CLIP);
  await page.getByRole('link', { name: 'Watch' }).click();
  await page.getByRole('button', { name: 'Edit' }).click();
  await page.getByLabel('Title').fill('Rabbit & friends');
  await page.getByLabel('Tags').fill('animation, short');
  await page.getByLabel('Visibility').selectOption('unlisted');
  await page.getByRole('button', { name: 'Save' }).click();
  await page.getByRole('heading', { name: 'Rabbit & friends' }).waitFor();
  await page.getByText('Unlisted').waitFor();

  const { items } = await call(node, '/api/v1/assets?q=rabbit');
  assert.equal(items.length, 1);
  assert.deepEqual([items[0].title, items[0].tags, items[0].visibility], ['Rabbit & friends', ['animation', 'short'], 'unlisted']);
  await settled(node, items[0].id);
  await page.locator('hls-video').waitFor();
  await screenshot(page, 'watch-mobile');

  await page.getByRole('button', { name: 'Delete' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Delete' }).click();
  await page.getByText('Upload videos').waitFor();
  await page.locator('.asset').waitFor({ state: 'detached' });
  assert.deepEqual((await call(node, '/api/v1/assets')).items, []);
  watch.check();
});

/** Clicks on the time range at this share of its length; its very ends are padding. */
async function seek(page, share) {
  await page.locator('media-controller').hover();
  const range = page.locator('media-time-range');
  const { width, height } = await range.boundingBox();
  await range.click({ position: { x: width * share, y: height / 2 } });
}

/** Chooses a quality in the player's menu and plays from the start until it shows. */
async function watchIn(page, height) {
  await page.locator('media-controller').hover();
  await page.locator('media-rendition-menu-button').click();
  await page.locator('media-rendition-menu').getByRole('menuitemradio', { name: `${height}p`, exact: true }).click();
  await seek(page, 0.03);
  await page.evaluate(() => document.querySelector('hls-video').play());
  await videoUntil(page, `quality ${height}p`, (state) => state.height === height && state.time > 0);
}
