"""The reference page of operations, written from the table of steps."""

from lockstep.domain.operation import EDGES, ENDED, Edge, OperationKind, OperationState

_HEAD = """# Operations

What people see of work done in the background: its state, its progress, the reason when it waits, and a log of every
step and attempt from which the state can be rebuilt. *Pausing* and *cancelling* are wishes; *paused* and *cancelled*
are facts. A recalculation is owed to patients: it can be paused for a limited time, but not cancelled, and it cannot
fail.

This page is made from the table in `src/lockstep/domain/operation.py`:
`python -m lockstep.domain.operation_reference > docs/reference/operations.md`.
"""


def reference() -> str:
    """The page in Markdown, with a Mermaid diagram for recalculations and one for the other kinds."""
    others = [kind for kind in OperationKind if kind is not OperationKind.RECALCULATION]
    return "\n".join(
        [
            _HEAD,
            "## A recalculation\n",
            _diagram(OperationKind.RECALCULATION),
            f"## Other kinds ({', '.join(others)})\n",
            _diagram(others[0]),
            "## Every step\n",
            _table(),
        ]
    )


def _diagram(kind: OperationKind) -> str:
    edges = [edge for edge in EDGES if kind in edge.kinds]
    states = [state for state in OperationState if any(state in (edge.before, edge.after) for edge in edges)]
    lines = [
        "```mermaid",
        "stateDiagram-v2",
        *(f'    state "{state}" as {_name(state)}' for state in states if _name(state) != state),
        f"    [*] --> {_name(OperationState.ACCEPTED)}",
        *(f"    {_name(edge.before)} --> {_name(edge.after)}" for edge in edges),
        *(f"    {_name(state)} --> [*]" for state in states if state in ENDED),
        "```",
    ]
    return "\n".join(lines) + "\n"


def _name(state: OperationState) -> str:
    return state.replace(" ", "_")


def _table() -> str:
    rows = [f"| {edge.before} | {edge.after} | {_kinds(edge)} | {edge.sentence} |" for edge in EDGES]
    return "\n".join(["| from | to | of | because |", "|---|---|---|---|", *rows]) + "\n"


def _kinds(edge: Edge) -> str:
    if edge.kinds == frozenset(OperationKind):
        return "every kind"
    return ", ".join(kind for kind in OperationKind if kind in edge.kinds)


if __name__ == "__main__":
    print(reference(), end="")
