"""The fan-out of one process: it knows nothing of prices or HTTP."""
