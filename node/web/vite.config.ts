import { svelte } from '@sveltejs/vite-plugin-svelte';
import { defineConfig } from 'vite';

/**
 * Two pages come out of one build. The API listener serves the folder at `/`; the
 * gateway serves `embed.html` and, at `/embed-assets/`, the folder `assets`. Only
 * the HTML files name an absolute place; scripts and styles find their neighbours
 * by relative paths and so work under both.
 */
const ASSETS = 'assets';
const address = (page: string, file: string) =>
  page === 'embed.html' ? file.replace(`${ASSETS}/`, '/embed-assets/') : `/${file}`;

export default defineConfig({
  plugins: [svelte()],
  build: {
    outDir: process.env['CIDCAST_WEB_OUT'] ?? 'dist',
    emptyOutDir: true,
    assetsDir: ASSETS,
    // The content security policy allows no `data:` scripts or styles.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    target: 'es2022',
    // hls.js alone is above Vite's default warning; it loads with the player only.
    chunkSizeWarningLimit: 900,
    rollupOptions: { input: { index: 'index.html', embed: 'embed.html' } },
  },
  experimental: {
    renderBuiltUrl(filename, { hostId, hostType }) {
      return hostType === 'html' ? address(hostId, filename) : { relative: true };
    },
  },
});
