"""Who buys and who runs the shop: accounts, sessions, roles."""
