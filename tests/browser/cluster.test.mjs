import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openPage, screenshot } from './chromium.mjs';
import { CLIP, startNode, uploaded } from './node.mjs';

/** Two nodes meet, and one of them copies a short clip. */
const PATIENCE = 90_000;
const HASTY = 'cluster: {heartbeat: 500ms, deadline: 5s, audit_interval: 1s}\n';

test('a cluster is founded and joined on the page, and shows who holds what', async (t) => {
  const [one, two] = [await startNode(t, { config: HASTY }), await startNode(t, { config: HASTY })];
  const { page: first, watch: watchFirst } = await openPage(t, one);
  const { page: second, watch: watchSecond } = await openPage(t, two, { colorScheme: 'light', viewport: { width: 390, height: 844 } });
  // Asked whether there is a cluster, a node that is in none says that it knows of none.
  watchFirst.expectStatus(404);
  watchSecond.expectStatus(404);

  await first.goto(`${one.api}/cluster`);
  await first.getByLabel('Name', { exact: true }).fill('Attics');
  await first.getByRole('button', { name: 'Found' }).click();
  await first.getByRole('heading', { name: 'Attics' }).waitFor();
  await first.getByRole('button', { name: 'Invite a node' }).click();
  const dialog = first.getByRole('dialog', { name: 'Invite a node' });
  await dialog.getByRole('button', { name: 'Make a token' }).click();
  const token = await dialog.getByLabel('Token', { exact: true }).inputValue();
  assert.match(token, /^cidcast-join-/);
  await dialog.getByRole('button', { name: 'Done' }).click();

  await second.goto(`${two.api}/cluster`);
  await second.getByLabel('Token', { exact: true }).fill(token);
  await second.getByLabel('What this node is called there').fill('cellar');
  await second.getByRole('button', { name: 'Join' }).click();
  await second.getByRole('heading', { name: 'Attics' }).waitFor();
  await first.getByText('cellar', { exact: true }).first().waitFor({ timeout: PATIENCE });

  const asset = await uploaded(one, CLIP);
  const row = first.locator(`[data-pin="${asset.root}"]`);
  await row.waitFor({ timeout: PATIENCE });
  await row.getByText('kept').nth(1).waitFor({ timeout: PATIENCE });
  await first.getByText(/proved, /).first().waitFor({ timeout: PATIENCE });
  await row.getByRole('button', { name: asset.title, exact: true }).click();
  const copies = first.getByRole('list', { name: 'Copies' });
  await copies.getByText(/^cellar: kept, .* proved, /).waitFor({ timeout: PATIENCE });
  await first.getByRole('button', { name: 'Check its copies now' }).click();
  await first.getByText('1 member is asked to prove it.').waitFor();
  await screenshot(first, 'cluster');

  await first.getByRole('button', { name: 'Edit cellar' }).click();
  const editor = first.getByRole('dialog', { name: 'Edit a member' });
  await editor.getByLabel('Tags, such as').fill('site');
  await editor.getByRole('button', { name: 'Save' }).click();
  await editor.getByText('Write tags like site=attic').waitFor();
  await editor.getByLabel('Tags, such as').fill('site=cellar');
  await editor.getByRole('button', { name: 'Save' }).click();
  await first.getByText('writer · site=cellar').waitFor();

  const wide = await second.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  assert.ok(wide <= 0, `the page is ${wide} px too wide for a phone`);
  await screenshot(second, 'cluster-phone');
  await second.getByRole('button', { name: 'Leave' }).click();
  await second.getByRole('dialog').getByRole('button', { name: 'Leave' }).click();
  await second.getByRole('button', { name: 'Join' }).waitFor();
  await first.getByText('1 of 1', { exact: true }).waitFor({ timeout: PATIENCE });
  watchFirst.check();
  watchSecond.check();
});
