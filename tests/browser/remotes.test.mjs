import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { createServer } from 'node:http';
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

test('where an IPFS Cluster keeps the pins, the page of the cluster shows its peers', async (t) => {
  const peers = [
    { id: '12D3KooWGwmdsnHpAxxjEQLbVtNSGNQmp1mFL7jznAb25y2nz1PY', peername: 'farm-one', version: '1.1.4', error: '' },
    { id: '12D3KooWRnqsfgpbeUWxLMKhokGRiTzokzHymVV2Et1K5gDMgFx8', peername: 'farm-two', version: '', error: 'dial backoff' },
  ];
  const farm = createServer((request, response) => {
    response.setHeader('content-type', 'application/json');
    response.statusCode = request.url === '/peers' ? 200 : 404;
    response.end(request.url === '/peers' ? peers.map((peer) => JSON.stringify(peer)).join('\n') : '{}');
  });
  await new Promise((listening) => farm.listen(0, '127.0.0.1', listening));
  t.after(() => farm.close());
  const endpoint = `http://127.0.0.1:${farm.address().port}`;
  const node = await startNode(t, { config: `cluster: { engine: ipfs-cluster, endpoint: "${endpoint}" }\n` });
  const { page, watch } = await openPage(t, node, { viewport: { width: 390, height: 844 } });
  await page.goto(`${node.api}/cluster`);
  await page.locator(`[data-peer="${peers[0].id}"]`).getByText('farm-one').waitFor();
  await page.getByText('Alive', { exact: true }).waitFor();
  const away = page.locator(`[data-peer="${peers[1].id}"]`);
  await page.getByText('Does not answer').waitFor();
  await away.getByText('dial backoff').waitFor();
  await page.locator('[data-service="cluster"]').getByText('every public and unlisted video').waitFor();
  assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), 'fits a phone');
  await screenshot(page, 'cluster-handed');
  watch.check();
});
