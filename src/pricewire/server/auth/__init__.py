"""Authentication and authorization: keys, tokens, passwords, tickets, and which token each protected stream depends on."""
