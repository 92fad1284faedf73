import { defineConfig } from 'vitest/config'

/** The library: plain ES modules, the hooks importing the core. `vite.script.config.ts` makes the file for a script tag. */
export default defineConfig({
  build: {
    target: 'es2022',
    sourcemap: true,
    lib: {
      entry: { pricewire: 'src/pricewire.ts', react: 'src/react.ts', react_native: 'src/react_native.ts' },
      formats: ['es'],
    },
    rolldownOptions: {
      external: ['react'],
      preserveEntrySignatures: 'allow-extension',
      output: {
        // What the hooks import of the core keeps its name there, so that no debugger shows an export `t`.
        minifyInternalExports: false,
        // Hooks run in the browser: React's server components have to know (react.dev, "'use client'").
        banner: (chunk) => (chunk.name === 'react' ? "'use client'\n" : ''),
      },
    },
  },
  // What a test waits for comes late where the machine is busy.
  test: { include: ['tests/**/*.test.{ts,tsx}'], testTimeout: 60_000 },
})
