"""The migrations: SQL of each step, and the order of the steps in versions/."""
