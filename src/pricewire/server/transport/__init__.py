"""Between the application and the socket: how streams are written, and what a connection may do."""
