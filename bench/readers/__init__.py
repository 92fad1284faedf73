"""The readers of all streams, in a process of their own."""
