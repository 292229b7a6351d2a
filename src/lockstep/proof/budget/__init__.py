"""Measures each line of the budgets that the product must hold, in one run."""
