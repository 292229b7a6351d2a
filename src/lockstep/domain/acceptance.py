"""What acceptance decides about a previewed switch: whether it may be, from when to when, whether agendas change."""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta

from lockstep.domain.content import Content, Policy
from lockstep.domain.protocol_document import canonical_json, to_document
from lockstep.domain.refusal import InThePast
from lockstep.domain.switch import Effective, Scope

_EARLIEST = timedelta(hours=14)
_LATEST = timedelta(hours=12)
"""Clocks of the zone database run at most 14 h ahead of UTC and 12 h behind it."""
_QUARTER = timedelta(minutes=15)
_TIMED = ("schedule", "grace_minutes", "quantity")


@dataclass(frozen=True, slots=True)
class Accepted:
    """A switch on its protocol's timeline, in force for each patient from E on, which lies in [first_at, last_at].

    `version_number` is that of the publication, None for a move; `generation` is None when agendas stay as they are.
    `repeated` says that the same request had been accepted before.
    """

    switch_id: int
    protocol_id: int
    number: int
    version_number: int | None
    target_protocol_id: int | None
    generation: int | None
    operation_id: int
    accepted_by: str
    accepted_at: datetime
    first_at: datetime
    last_at: datetime
    repeated: bool = False


@dataclass(frozen=True, slots=True)
class Publication:
    """A publication that is accepted and not withdrawn, as far as the next one on the protocol needs it."""

    number: int
    version_number: int
    scope: Scope
    last_at: datetime
    content_hash: str
    timing_hash: str
    selection_id: int | None
    first_at: datetime


@dataclass(frozen=True, slots=True)
class Redirect:
    """A move that is accepted, not withdrawn, and still to come for somebody."""

    protocol_id: int
    target_protocol_id: int
    selection_id: int | None


def span_of(
    effective: Effective, local: datetime | None, at: datetime | None, *, accepted_at: datetime
) -> tuple[datetime, datetime]:
    """The bounds of E over every civil time zone, neither before acceptance.

    Raises InThePast when the instant or civil date-time has passed everywhere: *now* must be said then.
    """
    if effective is Effective.NOW:
        return accepted_at, accepted_at
    if effective is Effective.INSTANT:
        assert at is not None
        if at <= accepted_at:
            raise InThePast
        return at, at
    if effective is Effective.CIVIL:
        assert local is not None
        return _span_of_civil(local, accepted_at)
    # Every quarter of an hour it may be midnight somewhere; the last midnight to come is that of the furthest date.
    first_at = accepted_at - (accepted_at - datetime.min.replace(tzinfo=accepted_at.tzinfo)) % _QUARTER + _QUARTER
    latest_date = (accepted_at + _EARLIEST).date() + timedelta(days=1)
    return first_at, datetime.combine(latest_date, time(), accepted_at.tzinfo) + _LATEST


def _span_of_civil(local: datetime, accepted_at: datetime) -> tuple[datetime, datetime]:
    utc = local.replace(tzinfo=accepted_at.tzinfo)
    if utc + _LATEST <= accepted_at:
        raise InThePast
    return max(utc - _EARLIEST, accepted_at), utc + _LATEST


def timing_hash(content: Content) -> str:
    """SHA-256 of all that matters to schedules; between contents with equal hashes agendas stay as they are."""
    document = to_document(content)
    activities = {}
    for activity, written in zip(content.activities, document["activities"], strict=True):
        policies = {name: activity.policy(name).value for name in _TIMED if activity.policy(name) is not Policy.KEEP}
        timed = {name: written.get(name) for name in ("schedule", "grace", "quantity")}
        activities[activity.key] = {**timed, "personal": policies}
    on_switch = document.get("on_switch", {})
    kept = {"ask_at_once": on_switch.get("ask_at_once"), "quiet": on_switch.get("quiet")}
    return _sha256({"activities": activities, "on_switch": kept})


def draws_generation(new_timing_hash: str, publications: Sequence[Publication], *, at: datetime) -> bool:
    """Whether the publication changes schedules for anybody: its timing differs from a version in force or to come.

    `publications` in order of number. Whoever the scope holds is under the last publication that is in force for
    everyone, or under a later one.
    """
    relevant: list[Publication] = []
    settled = False
    for publication in reversed(publications):
        relevant.append(publication)
        if publication.scope is Scope.EVERYONE and publication.last_at <= at:
            settled = True
            break
    return not settled or any(publication.timing_hash != new_timing_hash for publication in relevant)


def on_the_way_back(new: Redirect, pending: Sequence[Redirect]) -> list[Redirect]:
    """The moves to come that lie on some way from where the new one leads to where it begins, whoever they hold."""
    ahead = _reached(new.target_protocol_id, [(each.protocol_id, each.target_protocol_id) for each in pending])
    behind = _reached(new.protocol_id, [(each.target_protocol_id, each.protocol_id) for each in pending])
    return [each for each in pending if each.protocol_id in ahead and each.target_protocol_id in behind]


def find_loop(
    new: Redirect, pending: Sequence[Redirect], memberships: Iterable[frozenset[int]]
) -> tuple[int, ...] | None:
    """The protocols of a way along moves to come that leads some patient back to where the new one begins, or None.

    `memberships` are the sets of selections in which patients are: two halves of a protocol's patients may change
    places, no patient may go round. Who is in no selection is always looked at.
    """
    for member_of in {frozenset[int](), *memberships}:
        if new.selection_id is not None and new.selection_id not in member_of:
            continue
        held = [each for each in pending if each.selection_id is None or each.selection_id in member_of]
        ways = _reached(new.target_protocol_id, [(each.protocol_id, each.target_protocol_id) for each in held])
        if new.protocol_id in ways:
            return (new.protocol_id, *ways[new.protocol_id])
    return None


def _reached(begin: int, edges: Iterable[tuple[int, int]]) -> dict[int, tuple[int, ...]]:
    """Every protocol that the edges lead to, with a shortest way there."""
    leads: dict[int, set[int]] = defaultdict(set)
    for one, other in edges:
        leads[one].add(other)
    ways: dict[int, tuple[int, ...]] = {begin: (begin,)}
    to_go = [begin]
    for at in to_go:
        new = sorted(leads[at] - ways.keys())
        ways |= {each: (*ways[at], each) for each in new}
        to_go += new
    return ways


def request_hash(**request: object) -> str:
    """SHA-256 of what a client asked for, to tell a repetition from another request with the same key."""
    return _sha256(request)


def _sha256(value: object) -> str:
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()
