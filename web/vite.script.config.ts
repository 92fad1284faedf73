import { defineConfig } from 'vite'

/** The core as one file for a script tag: it sets `pricewire`, and needs neither modules nor a bundler. */
export default defineConfig({
  build: {
    target: 'es2022',
    sourcemap: true,
    emptyOutDir: false,
    lib: { entry: 'src/pricewire.ts', name: 'pricewire', formats: ['iife'], fileName: () => 'pricewire.script.js' },
  },
})
