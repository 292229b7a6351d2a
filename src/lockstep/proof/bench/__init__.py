"""Compares ways of bringing everybody in step with a changed protocol: one run, one machine, one load."""
