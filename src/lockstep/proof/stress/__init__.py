"""The stress run: real processes under load, faults drawn from a seed, and checkers of what clients wrote down."""
