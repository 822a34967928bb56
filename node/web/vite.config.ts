import { svelte } from '@sveltejs/vite-plugin-svelte';
import { defineConfig } from 'vite';

/**
 * Two pages come out of one build. The API listener serves this folder at `/`,
 * the gateway serves the same folder at `/embed-assets/`. Only the HTML files
 * name an absolute mount; scripts and styles find their neighbours by relative
 * paths and so work under both.
 */
const MOUNT: Record<string, string> = {
  'index.html': '/',
  'embed.html': '/embed-assets/',
};

export default defineConfig({
  plugins: [svelte()],
  build: {
    outDir: process.env['CIDCAST_WEB_OUT'] ?? 'dist',
    emptyOutDir: true,
    // `/assets` belongs to the API's vocabulary.
    assetsDir: 'static',
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
      if (hostType !== 'html') return { relative: true };
      return (MOUNT[hostId] ?? '/') + filename;
    },
  },
});
