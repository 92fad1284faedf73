import { defineConfig } from 'vitest/config'

/** The library: two plain ES modules, the hooks importing the core. */
export default defineConfig({
  build: {
    target: 'es2022',
    sourcemap: true,
    lib: {
      entry: { pricewire: 'src/pricewire.ts', react: 'src/react.ts' },
      formats: ['es'],
    },
    rolldownOptions: { external: ['react'], preserveEntrySignatures: 'allow-extension' },
  },
  // What a test waits for comes late where the machine is busy.
  test: { include: ['tests/**/*.test.{ts,tsx}'], testTimeout: 60_000 },
})
