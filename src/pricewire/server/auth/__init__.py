"""Who somebody is, and what they may see: keys, tokens, passwords, tickets, and the lives of protected streams."""
