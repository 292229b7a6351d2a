"""The named queries of the competitors."""

from lockstep.store.queries import load

SQL = load("bench.sql", package="lockstep.proof.bench")
