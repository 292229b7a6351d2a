"""The named queries of the measurements."""

from lockstep.store.queries import load

SQL = load("budget.sql", package="lockstep.proof.budget")
