"""Fuzzing: inputs guided by coverage against what reads bytes of others. `python -m fuzz` runs a target."""
