import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { openPage, screenshot } from './chromium.mjs';
import { settled, startNode } from './node.mjs';

test('a file that is no video fails with its reason, and can be tried again', async (t) => {
  const node = await startNode(t);
  const { page, watch } = await openPage(t, node);
  const file = path.join(node.dir, 'holiday.mp4');
  await writeFile(file, 'This is a text, whatever its name says.\n'.repeat(200));

  await page.goto(node.api);
  await drop(page, file);
  await page.locator('.asset[data-state="failed"]').waitFor({ timeout: 60_000 });
  const id = await page.locator('.asset').getAttribute('data-asset');
  await page.locator('.asset').getByRole('link').click();

  const { error } = await settled(node, id, ['failed']);
  assert.ok(error.title.length > 0 && error.detail.length > 0, 'the failure has a title and a detail');
  assert.equal(error.permanent, true, 'a text does not become a video');
  await page.getByRole('heading', { name: error.title }).waitFor();
  await page.getByText(error.detail).first().waitFor();
  await screenshot(page, 'failure');

  const retry = page.waitForResponse((response) => response.url().endsWith('/retry'));
  await page.getByRole('button', { name: 'Try again' }).click();
  assert.equal((await retry).ok(), true, 'the retry was accepted');
  await settled(node, id, ['failed']);
  await page.getByRole('heading', { name: error.title }).waitFor();
  watch.check();
});

/** Lets go of a file above the middle of the page. */
async function drop(page, file) {
  const text = await readFile(file, 'utf8');
  await page.getByText('Upload videos').waitFor();
  await page.evaluate(
    ({ name, text }) => {
      const dataTransfer = new DataTransfer();
      dataTransfer.items.add(new File([text], name, { type: 'video/mp4' }));
      for (const type of ['dragenter', 'dragover', 'drop']) {
        document.body.dispatchEvent(new DragEvent(type, { dataTransfer, bubbles: true, cancelable: true }));
      }
    },
    { name: path.basename(file), text },
  );
}
