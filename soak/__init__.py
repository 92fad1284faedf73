"""The soak test: hostile readers among well-behaved ones, for an hour. `python -m soak` runs it."""
