"""The database, which outlives the process: its tables, and what reads and writes them."""
