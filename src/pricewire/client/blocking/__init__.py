"""The blocking client: the asynchronous one on an event loop in a thread of its own."""
