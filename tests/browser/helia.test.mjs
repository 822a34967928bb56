/**
 * Another implementation of IPFS: Helia, in JavaScript, takes a package from the node over
 * WebSocket, as a page in a browser would. It checks every block by itself.
 */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { CLIP, call, startNode, uploaded } from './node.mjs';

const LISTEN = '/ip4/127.0.0.1/tcp/0/ws';
const PATIENCE = 30_000;

// What the libraries expect of Node.js 22 and Node.js 20 does not have.
globalThis.WebSocket ??= (await import('ws')).WebSocket;
Promise.withResolvers ??= function withResolvers() {
  let resolve, reject;
  const promise = new this((...both) => ([resolve, reject] = both));
  return { promise, resolve, reject };
};

const { Helia } = await import('@helia/utils');
const { bitswap } = await import('@helia/block-brokers');
const { unixfs } = await import('@helia/unixfs');
const { createLibp2p } = await import('libp2p');
const { webSockets } = await import('@libp2p/websockets');
const { identify } = await import('@libp2p/identify');
const { noise } = await import('@chainsafe/libp2p-noise');
const { yamux } = await import('@chainsafe/libp2p-yamux');
const { multiaddr } = await import('@multiformats/multiaddr');
const { MemoryBlockstore } = await import('blockstore-core');
const { MemoryDatastore } = await import('datastore-core');
const { CID } = await import('multiformats/cid');

test('Helia takes a package over WebSocket, and nothing that is private', async (t) => {
  const node = await startNode(t, { swarm: LISTEN });
  const { id, root } = await uploaded(node, CLIP, '?visibility=unlisted');
  const files = await fetcher(t, node);

  const taken = await everyFile(files, CID.parse(root));
  assert.ok(taken.has('master.m3u8') && taken.has('manifest.mpd'));
  for (const [name, bytes] of taken) {
    const served = await fetch(`${node.gateway}/ipfs/${root}/${name}`);
    assert.deepEqual(bytes, Buffer.from(await served.arrayBuffer()), name);
  }
  assert.ok(taken.size >= 15, `${taken.size} files`);

  const change = { method: 'PATCH', headers: { 'content-type': 'application/json' }, body: '{"visibility":"private"}' };
  await call(node, `/api/v1/assets/${id}`, change);
  const stranger = await fetcher(t, node);
  const asked = stranger.stat(CID.parse(root), { signal: AbortSignal.timeout(2_000) });
  await assert.rejects(asked, 'a stranger got what is private');
});

/** A Helia node of its own, with an empty store, connected to `node` alone. */
async function fetcher(t, node) {
  const libp2p = await createLibp2p({
    start: false,
    transports: [webSockets()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    services: { identify: identify() },
  });
  const stores = { blockstore: new MemoryBlockstore(), datastore: new MemoryDatastore() };
  const helia = new Helia({ libp2p, ...stores, blockBrokers: [bitswap()], routers: [] });
  t.after(() => helia.stop());
  await helia.start();
  const run = JSON.parse(await readFile(path.join(node.dir, 'data/run.json'), 'utf8'));
  await libp2p.dial(multiaddr(run.swarm[0]));
  return unixfs(helia);
}

/** The bytes of every file below `folder`, by path. */
async function everyFile(files, folder, prefix = '', found = new Map()) {
  const signal = AbortSignal.timeout(PATIENCE);
  for await (const entry of files.ls(folder, { signal })) {
    // The libraries do not agree on one class of CIDs.
    const cid = CID.parse(String(entry.cid));
    const { type } = await files.stat(cid, { signal });
    const name = prefix + entry.name;
    if (type === 'directory') {
      await everyFile(files, cid, `${name}/`, found);
    } else {
      const parts = [];
      for await (const part of files.cat(cid, { signal })) parts.push(part);
      found.set(name, Buffer.concat(parts));
    }
  }
  return found;
}
