import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { test } from 'node:test';
import { openPage, screenshot, videoUntil } from './chromium.mjs';
import { CLIP, startNode, uploaded } from './node.mjs';

test('the embed page plays by asset id and by root CID', async (t) => {
  const node = await startNode(t);
  const asset = await uploaded(node, CLIP, '?visibility=public');
  const { page, watch } = await openPage(t, node);
  for (const address of [asset.embed_url, `${node.gateway}/embed/${asset.root}`]) {
    await page.goto(`${address}?autoplay`);
    await page.locator('hls-video').waitFor();
    await videoUntil(page, 'autoplay', ({ time, paused }) => !paused && time > 0.5);
  }
  await screenshot(page, 'embed');
  watch.check();
});

test('a page of another site may frame the player', async (t) => {
  const node = await startNode(t);
  const asset = await uploaded(node, CLIP, '?visibility=public');
  const site = createServer((_, response) => {
    response.setHeader('content-type', 'text/html');
    response.end(`<!doctype html><link rel="icon" href="data:,"><iframe src="${asset.embed_url}" width="640" height="360"></iframe>`);
  });
  await new Promise((done) => site.listen(0, '127.0.0.1', done));
  t.after(() => site.close());
  const host = `localhost:${site.address().port}`;
  const { page, watch } = await openPage(t, node);
  watch.allow(host);

  await page.goto(`http://${host}/`);
  const frame = page.frameLocator('iframe');
  await frame.locator('media-play-button').click();
  const native = frame.locator('hls-video');
  await assert.doesNotReject(async () => {
    while (!(await native.evaluate((element) => element.nativeEl.currentTime > 0.5))) await page.waitForTimeout(50);
  });
  watch.check();
});

test('the embed page of something unknown says so', async (t) => {
  const node = await startNode(t);
  const { page } = await openPage(t, node);
  await page.goto(`${node.gateway}/embed/bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy`);
  await page.getByText('not available').waitFor();
  assert.equal(await page.locator('hls-video').count(), 0);
});
