"""A fault proxy: forwards connections from the loopback to the database's socket, and does to them what it is told."""
