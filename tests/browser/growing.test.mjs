import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import path from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { openPage, screenshot, videoUntil } from './chromium.mjs';
import { call, CLIP, settled, startNode } from './node.mjs';

test('a video plays from its beginning while it is still being transcoded, and to its end afterwards', async (t) => {
  const node = await startNode(t);
  const { page, watch } = await openPage(t, node);
  const long = path.join(node.dir, 'long.mp4');
  await promisify(execFile)('ffmpeg', ['-v', 'error', '-stream_loop', '8', '-i', CLIP, '-c', 'copy', long]);

  await page.goto(node.api);
  await page.getByLabel('Video files').setInputFiles(long);
  await page.getByRole('link', { name: 'Watch' }).click();
  await page.locator('hls-video').waitFor({ timeout: 120_000 });
  await page.locator('media-play-button').click();
  const playing = await videoUntil(page, 'playing', ({ time }) => time > 1);
  const [, id] = /\/watch\/(.+)$/.exec(page.url());
  const then = await call(node, `/api/v1/assets/${id}`);
  assert.equal(then.state, 'transcoding', 'it played before the work was done');
  assert.ok(playing.time < 10, `it began near the start, not at ${playing.time} s`);
  await screenshot(page, 'watch-transcoding');

  const ready = await settled(node, id);
  // The playlist has grown into one with an end: jump near it and watch the rest.
  await videoUntil(page, 'the whole length', ({ duration }) => Math.abs(duration - ready.duration) < 0.5);
  await page.evaluate((to) => (document.querySelector('hls-video').nativeEl.currentTime = to), ready.duration - 3);
  await videoUntil(page, 'playing to the end', ({ ended }) => ended);
  watch.check();
});
