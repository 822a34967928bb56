/**
 * Loaded before the compliance suite (`node --import`): it reads the specification from this folder
 * instead of the network.
 */
import { register } from 'node:module';

register('./offline-hooks.mjs', import.meta.url);
