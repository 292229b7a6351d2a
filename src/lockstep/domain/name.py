"""Keys, titles and reasons as people give them, and what they must look like."""

from unicodedata import normalize

from lockstep.domain.refusal import InvalidName, MissingReason, shown

MOST_KEY = 100
MOST_TITLE = 200
MOST_REASON = 1000
MOST_ACTOR = 200


def require_key(key: str, *, where: str = "key") -> str:
    """The key, which has 1 to 100 printable characters without blanks at its ends; raises InvalidName."""
    return _require(key, MOST_KEY, where)


def require_title(title: str, *, where: str = "title") -> str:
    """The title, which has 1 to 200 printable characters without blanks at its ends; raises InvalidName."""
    return _require(title, MOST_TITLE, where)


def same_person(one: str, other: str) -> bool:
    """Whether two names mean one person: blanks, capitals and ways of writing letters do not matter."""
    return _plain(one) == _plain(other)


def _plain(name: str) -> str:
    return " ".join(normalize("NFKC", name).casefold().split())


def require_reason(reason: str) -> str:
    """The reason without blanks at its ends, 1 to 1000 characters; raises MissingReason."""
    reason = reason.strip()
    if not 1 <= len(reason) <= MOST_REASON or "\0" in reason:
        raise MissingReason(where="reason", mend="Say why, in a sentence.")
    return reason


def require_actor(actor: str) -> str:
    """Who decides, in 1 to 200 printable characters without blanks at the ends; raises InvalidName."""
    return _require(actor, MOST_ACTOR, "actor")


def _require(given: str, most: int, where: str) -> str:
    if not 1 <= len(given) <= most or given != given.strip() or not given.isprintable():
        mend = f"Give 1 to {most} printable characters, without blanks at the ends."
        raise InvalidName(f"{shown(given)} is not a name", where=where, mend=mend)
    return given
