"""The feed of a FIX session."""
