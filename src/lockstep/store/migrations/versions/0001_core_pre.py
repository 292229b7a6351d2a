"""The core: facts, agenda, measurements, switches, operations, checks, audit."""

from lockstep.store.migrations import steps

revision = "0001"
down_revision = None
branch_labels = ("pre",)
depends_on = None


def upgrade() -> None:
    steps.run("0001_core.pre.sql")
