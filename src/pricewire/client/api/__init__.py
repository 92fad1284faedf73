"""Requests beside the stream: log in, tokens and their renewal, trades."""
