/** The player alone, served by the gateway at `/embed/{asset id or root CID}`. */
import './styles/tokens.css';
import './styles/base.css';
import { mount } from 'svelte';
import Player from './components/Player.svelte';

document.documentElement.dataset['theme'] = 'dark';
const target = document.getElementById('app');
const name = /\/embed\/([^/]+)/.exec(location.pathname)?.[1];
const options = new URLSearchParams(location.search);

if (target && name) {
  // The same query (a playback token, for example) that opened the page opens the stream.
  const query = new URLSearchParams(options);
  query.delete('autoplay');
  const search = query.size > 0 ? `?${query}` : '';
  mount(Player, {
    target,
    props: { src: `/play/${name}/master.m3u8${search}`, title: 'Video', autoplay: options.has('autoplay'), fill: true },
  });
}
