import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { openPage, screenshot } from './chromium.mjs';
import { call, CLIP, startNode, uploaded } from './node.mjs';

const TOKEN = 'of the browser test only';
/** A package goes from one node to the other. */
const PATIENCE = 90_000;

test('a video that a service keeps says so, on its page and on that of the network', async (t) => {
  const sha256 = createHash('sha256').update(TOKEN).digest('hex');
  const there = await startNode(t, { config: `api:\n  tokens:\n    - { name: web, sha256: ${sha256}, scopes: [write] }\n` });
  const service = `{ name: attic, endpoint: "${there.api}/psa", token: "${TOKEN}", assets: public }`;
  const here = await startNode(t, { config: `pinning:\n  services:\n    - ${service}\n` });
  const asset = await uploaded(here, CLIP);
  const { page, watch } = await openPage(t, here);

  // Nothing is kept elsewhere of what is private, and nothing is said of it.
  await page.goto(`${here.api}/watch/${asset.id}`);
  await page.getByRole('button', { name: 'Make public' }).waitFor();
  assert.equal(await page.getByRole('heading', { name: 'Kept by services' }).count(), 0);

  await call(here, `/api/v1/assets/${asset.id}/publish`, { method: 'POST' });
  await page.getByRole('heading', { name: 'Kept by services' }).waitFor({ timeout: PATIENCE });
  await page.locator('[data-remote="pinned"]').waitFor({ timeout: PATIENCE });
  await screenshot(page, 'watch-remote');

  await page.goto(`${here.api}/network/replication`);
  await page.locator('[data-service="attic"]').getByText('1 kept').waitFor({ timeout: PATIENCE });
  await page.getByText('In order').waitFor();
  await screenshot(page, 'network-remotes');
  watch.check();
});
