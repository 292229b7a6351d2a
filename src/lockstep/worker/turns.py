"""Each organisation has its turn, whatever fails in another."""

from collections.abc import Callable, Sequence


def do_each(organisations: Sequence[int], do: Callable[[int], bool]) -> bool:
    """Whether any has more to do. Raises the first failure, after all had their turn."""
    more, failures = False, []
    for organisation_id in organisations:
        try:
            more = do(organisation_id) or more
        except Exception as error:
            failures.append(error)
    if failures:
        raise failures[0]
    return more
