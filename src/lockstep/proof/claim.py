"""Claims: what a run says of itself, what was measured, what must be, and whether it holds."""

from collections.abc import Sequence
from dataclasses import dataclass

from rich.table import Table

from lockstep.proof.narrator import table


@dataclass(frozen=True, slots=True)
class Claim:
    """One line of the final table; one without `must` only informs."""

    key: str
    sentence: str
    value: str
    must: str = ""
    holds: bool = True


def is_proven(claims: Sequence[Claim]) -> bool:
    """Whether there is something to prove, and all of it holds."""
    return any(claim.must for claim in claims) and all(claim.holds for claim in claims)


def verdict(claims: Sequence[Claim]) -> str:
    """PROVEN or NOT PROVEN."""
    return "PROVEN" if is_proven(claims) else "NOT PROVEN"


def as_table(claims: Sequence[Claim]) -> Table:
    """The claims with what was measured, for people."""
    rows = [
        (
            claim.sentence,
            claim.value,
            claim.must,
            "" if not claim.must else "[green]✓[/]" if claim.holds else "[bold red]✗[/]",
        )
        for claim in claims
    ]
    return table("", ("What was shown", "measured", "must be", ""), rows, right=(1, 2))
