"""One event stream: its connections, reconnection and silence."""
