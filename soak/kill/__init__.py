"""The kill test: the whole server trades, is killed, stopped and lied to about the time, and every outcome is computed again."""
