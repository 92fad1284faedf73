"""Random prices that move as real ones do."""
