"""The servers that are measured: one module each."""
