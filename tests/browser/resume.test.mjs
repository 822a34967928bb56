import assert from 'node:assert/strict';
import { appendFile, copyFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { openPage, screenshot } from './chromium.mjs';
import { call, CLIP, settled, startNode } from './node.mjs';

const PADDING = 24 << 20;
/** Slow enough that the page is reloaded in the middle of it. */
const BYTES_PER_SECOND = 4 << 20;

test('an upload cut off by a reload goes on where it stopped when the file is chosen again', async (t) => {
  const node = await startNode(t);
  const { page, context, watch } = await openPage(t, node);
  const file = await paddedClip(node.dir);
  const network = await context.newCDPSession(page);
  const limit = (uploadThroughput) =>
    network.send('Network.emulateNetworkConditions', { offline: false, latency: 0, downloadThroughput: -1, uploadThroughput });
  const offsets = [];
  page.on('request', (request) => {
    if (request.method() === 'PATCH') offsets.push(Number(request.headers()['upload-offset']));
  });

  await page.goto(node.api);
  await limit(BYTES_PER_SECOND);
  await page.getByLabel('Video files').setInputFiles(file);
  await page.waitForFunction(() => Number(document.querySelector('.upload [role=progressbar]')?.ariaValueNow) >= 20);
  await screenshot(page, 'uploading');
  await page.reload();
  await page.locator('.upload[data-phase="interrupted"]').waitFor();
  await screenshot(page, 'interrupted');

  const again = page.getByLabel('padded.mp4 again');
  await again.setInputFiles(CLIP);
  await page.getByText('That is another file').waitFor();
  await limit(-1);
  await again.setInputFiles(file);
  await page.locator('.upload[data-phase="done"]').waitFor({ timeout: 120_000 });

  assert.equal(offsets[0], 0);
  assert.ok(offsets.at(-1) > 0, `the second part began at ${offsets.at(-1)}`);
  const { items } = await call(node, '/api/v1/assets');
  assert.equal(items.length, 1, 'one upload, one asset');
  assert.equal((await settled(node, items[0].id)).state, 'ready');
  await page.reload();
  await page.locator('.asset').waitFor();
  assert.equal(await page.locator('.upload').count(), 0, 'a finished upload is not offered again');
  watch.check();
});

test('an upload is paused, resumed and cancelled', async (t) => {
  const node = await startNode(t);
  const { page, context, watch } = await openPage(t, node);
  const network = await context.newCDPSession(page);
  await page.goto(node.api);
  await network.send('Network.emulateNetworkConditions', {
    offline: false,
    latency: 0,
    downloadThroughput: -1,
    uploadThroughput: BYTES_PER_SECOND,
  });
  await page.getByLabel('Video files').setInputFiles(await paddedClip(node.dir));
  await page.waitForFunction(() => Number(document.querySelector('.upload [role=progressbar]')?.ariaValueNow) >= 5);
  await page.getByRole('button', { name: 'Pause padded.mp4' }).click();
  await page.locator('.upload[data-phase="paused"]').waitFor();
  await page.getByRole('button', { name: 'Resume padded.mp4' }).click();
  await page.locator('.upload[data-phase="sending"]').waitFor();
  // The node may answer 423 until it has noticed that the sending stopped; the page asks again.
  watch.expectStatus(423);
  const gone = page.waitForResponse((response) => response.request().method() === 'DELETE' && response.status() === 204);
  await page.getByRole('button', { name: 'Cancel padded.mp4' }).click();
  await gone;
  await page.locator('.upload').waitFor({ state: 'detached' });
  assert.deepEqual((await call(node, '/api/v1/assets')).items, []);
  assert.equal(await page.evaluate(() => Object.keys(localStorage).filter((key) => key.startsWith('tus::')).length), 0);
  watch.check();
});

/** The clip with a `free` box (ISO/IEC 14496-12 §8.1.2) behind it: still a video, but long to send. */
async function paddedClip(dir) {
  const file = path.join(dir, 'padded.mp4');
  await copyFile(CLIP, file);
  const box = Buffer.alloc(PADDING);
  box.writeUInt32BE(PADDING, 0);
  box.write('free', 4);
  await appendFile(file, box);
  return file;
}
