"""What outlives the process: the database, its tables, and what is read and written of them."""
