"""Lockstep: a monitoring protocol changes for every patient at once."""

__version__ = "0.1.0"
