"""Live trading data streamed over Server-Sent Events: the server and the Python client."""
