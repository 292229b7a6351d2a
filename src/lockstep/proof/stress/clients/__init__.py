"""The clients of a stress run: each a process of its own that may be killed at any moment."""
