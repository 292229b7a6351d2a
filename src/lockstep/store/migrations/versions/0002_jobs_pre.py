"""The library's job queue, in a schema of its own."""

from alembic import op

from lockstep.store.migrations import steps

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("create schema procrastinate")
    op.execute("grant usage on schema procrastinate to lockstep_app")
    steps.run("0002_jobs.pre.sql", schema="procrastinate", ours=False)
    for what, rights in (("tables", "all"), ("sequences", "all"), ("functions", "execute")):
        op.execute(f"grant {rights} on all {what} in schema procrastinate to lockstep_app")
