"""Who somebody is, and what they may see: keys, tokens, passwords, tickets, and which token each protected stream depends on."""
