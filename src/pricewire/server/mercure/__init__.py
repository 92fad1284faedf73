"""The hub of the Mercure protocol, beside the other routes: loaded where the configuration switches it on."""
