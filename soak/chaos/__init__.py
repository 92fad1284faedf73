"""The chaos test: servers, gateways and NATS are killed, stopped, cut off and slowed down, and nothing may be lost or come twice."""
