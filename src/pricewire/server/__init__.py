"""The server: streams and requests over HTTP, on the hub and the market."""
