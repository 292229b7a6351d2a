"""Audit entries, the hash chain that seals them, and the faults that tampering leaves in it."""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum

MOST_FAULTS = 200
"""So many faults are listed; all are counted."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Entry:
    """An audit entry as it is hashed.

    `at` is seconds since 1970 as `epoch_text` writes them, `detail` the text of PostgreSQL's jsonb (keys once and in
    order, numbers with the digits they were given): exact texts, defined for whatever a forger may put.
    """

    audit_entry_id: int
    at: str
    actor: str
    action: str
    subject: str
    detail: str


@dataclass(frozen=True, slots=True)
class Seal:
    """A link of the chain: the entry at this position. `sealed_at` is written as `Entry.at`."""

    position: int
    audit_entry_id: int
    entry_hash: str
    chain_hash: str
    sealed_at: str


@dataclass(frozen=True, slots=True)
class Link:
    """What the store holds under one entry's number; one of the two may be missing."""

    seal: Seal | None
    entry: Entry | None


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A point of an organisation's chain, written down where the database cannot reach it. `at` is ISO 8601."""

    organisation_id: int
    position: int
    chain_hash: str
    at: str


class Tampering(StrEnum):
    """What can be wrong with a chain."""

    ALTERED_ENTRY = "altered entry"
    MISSING_ENTRY = "missing entry"
    EXTRA_ENTRY = "extra entry"
    REORDERED = "reordered"
    ALTERED_SEAL = "altered seal"
    MISSING_SEAL = "missing seal"
    CUT_OFF = "cut-off tail"
    REBUILT = "rebuilt chain"


@dataclass(frozen=True, slots=True)
class AuditFault:
    """One trace of tampering: what, at which position of the chain or which entry, in a sentence."""

    tampering: Tampering
    position: int | None
    audit_entry_id: int | None
    sentence: str


@dataclass(frozen=True, slots=True)
class Verification:
    """What was found in one snapshot of a chain. `waiting` entries are too young to be sealed."""

    organisation_id: int
    sealed: int
    waiting: int
    checkpoints: int
    chain_hash: str
    fault_count: int
    faults: tuple[AuditFault, ...]

    @property
    def holds(self) -> bool:
        """Whether no trace of tampering was found."""
        return self.fault_count == 0


def epoch_text(at: datetime) -> str:
    """Seconds since 1970 with six decimals, exactly as `extract(epoch from at)::text` of PostgreSQL."""
    micros = (at - _EPOCH) // timedelta(microseconds=1)
    sign, micros = ("-", -micros) if micros < 0 else ("", micros)
    return f"{sign}{micros // 1_000_000}.{micros % 1_000_000:06d}"


def detail_text(detail: Mapping[str, object]) -> str:
    """The detail of an entry as JSON; instants and dates as ISO 8601, decimals as text.

    Raises TypeError or ValueError for what JSON does not know.
    """
    return json.dumps(detail, default=_plain, allow_nan=False, ensure_ascii=False)


def _plain(value: object) -> object:
    match value:
        case datetime():
            return value.astimezone(UTC).isoformat()
        case date():
            return value.isoformat()
        case Decimal():
            return str(value)
        case set() | frozenset():
            return sorted(value)
    raise TypeError(f"{type(value).__name__} has no form in the detail of an audit entry")


def canonical(organisation_id: int, entry: Entry) -> str:
    """The one text of an entry; two entries have the same only when nothing distinguishes them but their number.

    The number is bound by the chain instead, so that entries that changed places are recognised.
    """
    return _text("entry", organisation_id, entry.at, entry.actor, entry.action, entry.subject, entry.detail)


def entry_hash(organisation_id: int, entry: Entry) -> str:
    """SHA-256 of the canonical text, in hexadecimal."""
    return _hash(canonical(organisation_id, entry))


def genesis(organisation_id: int) -> str:
    """What the first link hangs on; each organisation has its own, so that no chain passes for another's."""
    return _hash(_text("chain", organisation_id))


def chain_hash(previous: str, *, audit_entry_id: int, entry_hash: str, sealed_at: str) -> str:
    """The hash of a link that hangs on the chain hash before it."""
    return _hash(_text("seal", previous, audit_entry_id, entry_hash, sealed_at))


def _text(*parts: str | int) -> str:
    # A JSON list cannot be read in two ways, whatever its texts contain.
    return json.dumps(parts, ensure_ascii=True, separators=(",", ":"))


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode("ascii")).hexdigest()


def sealed(
    organisation_id: int, entries: Iterable[Entry], *, position: int, previous: str, sealed_at: str
) -> list[Seal]:
    """The links that seal the entries in their order, from the one after `position`, whose chain hash is `previous`."""
    links = []
    for offset, entry in enumerate(entries, start=1):
        content = entry_hash(organisation_id, entry)
        previous = chain_hash(previous, audit_entry_id=entry.audit_entry_id, entry_hash=content, sealed_at=sealed_at)
        links.append(Seal(position + offset, entry.audit_entry_id, content, previous, sealed_at))
    return links


def verify(organisation_id: int, links: Iterable[Link], checkpoints: Sequence[Checkpoint] = ()) -> Verification:
    """Every trace of tampering in a chain, at most `MOST_FAULTS` of them listed.

    `links` come by position, then those without a seal by number; checkpoints of other organisations are passed over.
    Only checkpoints show a tail that was cut off and a chain that was built anew.
    """
    walk = _Walk(organisation_id, [c for c in checkpoints if c.organisation_id == organisation_id])
    for link in links:
        walk.see(link)
    return walk.end()


class _Walk:
    """One pass along a chain; remembers what is broken, never the whole."""

    def __init__(self, organisation_id: int, checkpoints: Sequence[Checkpoint]) -> None:
        self.organisation_id = organisation_id
        self.checkpoints = checkpoints
        self.noted: dict[int, set[str]] = {}
        for checkpoint in checkpoints:
            self.noted.setdefault(checkpoint.position, set()).add(checkpoint.chain_hash)
        self.position = 0
        self.newest = 0
        self.sealed = 0
        self.waiting = 0
        # What the next link may hang on: the hash that stands there, and the one that should; none after a gap.
        self.hooks: tuple[str, ...] = (genesis(organisation_id),)
        self.altered: list[tuple[Seal, str]] = []
        self.broken: list[tuple[Seal, tuple[str, ...]]] = []
        self.faults: list[AuditFault] = []
        self.fault_count = 0

    def see(self, link: Link) -> None:
        if link.seal is None:
            assert link.entry is not None
            self.see_unsealed(link.entry)
            return
        self.sealed += 1
        self.see_place(link.seal)
        self.see_hash(link.seal)
        self.see_entry(link.seal, link.entry)
        self.see_checkpoint(link.seal)
        self.position = link.seal.position
        self.newest = max(self.newest, link.seal.audit_entry_id)

    def see_place(self, seal: Seal) -> None:
        expected = self.position + 1
        if seal.position == expected:
            return
        if seal.position > expected:
            span = f"{expected}" if seal.position == expected + 1 else f"{expected} to {seal.position - 1}"
            self.fault(Tampering.MISSING_SEAL, expected, None, f"The chain has no link at position {span}")
        else:
            self.fault(
                Tampering.ALTERED_SEAL,
                seal.position,
                seal.audit_entry_id,
                f"The chain has two links at position {seal.position}",
            )
        self.hooks = ()

    def see_hash(self, seal: Seal) -> None:
        fitting = [_follow(hook, seal) for hook in self.hooks]
        if self.hooks and seal.chain_hash not in fitting:
            self.broken.append((seal, self.hooks))
        self.hooks = (seal.chain_hash, *fitting[:1])

    def see_entry(self, seal: Seal, entry: Entry | None) -> None:
        if entry is None:
            self.fault(
                Tampering.MISSING_ENTRY,
                seal.position,
                seal.audit_entry_id,
                f"Entry {seal.audit_entry_id}, sealed at position {seal.position}, is gone",
            )
            return
        content = entry_hash(self.organisation_id, entry)
        if content != seal.entry_hash:
            self.altered.append((seal, content))

    def see_checkpoint(self, seal: Seal) -> None:
        hashes = self.noted.pop(seal.position, set())
        if hashes and hashes != {seal.chain_hash}:
            self.fault(
                Tampering.REBUILT,
                seal.position,
                None,
                f"The chain at position {seal.position} is not the one that was written down in a checkpoint",
            )

    def see_unsealed(self, entry: Entry) -> None:
        # Sealing goes by number, and only up to a number below which nothing can come any more.
        if entry.audit_entry_id > self.newest:
            self.waiting += 1
            return
        self.fault(
            Tampering.EXTRA_ENTRY,
            None,
            entry.audit_entry_id,
            f"Entry {entry.audit_entry_id} is older than entries that are sealed, but no link holds it",
        )

    def end(self) -> Verification:
        self.name_altered()
        self.name_broken()
        for position in sorted(position for position in self.noted if position > self.position):
            self.fault(
                Tampering.CUT_OFF,
                position,
                None,
                f"A checkpoint names position {position}, but the chain ends at {self.position}",
            )
        return Verification(
            self.organisation_id,
            sealed=self.sealed,
            waiting=self.waiting,
            checkpoints=len(self.checkpoints),
            chain_hash=self.hooks[0],
            fault_count=self.fault_count,
            faults=tuple(sorted(self.faults, key=_place)),
        )

    def name_altered(self) -> None:
        """An altered entry whose content is what another altered one's seal holds has changed places with it."""
        elsewhere = {seal.entry_hash for seal, _ in self.altered}
        for seal, content in self.altered:
            moved = content in elsewhere
            self.fault(
                Tampering.REORDERED if moved else Tampering.ALTERED_ENTRY,
                seal.position,
                seal.audit_entry_id,
                f"Entry {seal.audit_entry_id} holds what another entry held when it was sealed"
                if moved
                else f"Entry {seal.audit_entry_id} is not what was sealed at position {seal.position}",
            )

    def name_broken(self) -> None:
        """A link that hangs on another one than that before it was moved, or that one was."""
        # Bounded, because every broken link is tried on every hook.
        hooks = {hook for seal, tried in self.broken[:MOST_FAULTS] for hook in (seal.chain_hash, *tried)}
        for index, (seal, _) in enumerate(self.broken):
            moved = index < MOST_FAULTS and any(_follow(hook, seal) == seal.chain_hash for hook in hooks)
            self.fault(
                Tampering.REORDERED if moved else Tampering.ALTERED_SEAL,
                seal.position,
                seal.audit_entry_id,
                f"The link at position {seal.position} hangs on another one than that before it"
                if moved
                else f"The link at position {seal.position} does not follow from the one before it",
            )

    def fault(self, tampering: Tampering, position: int | None, audit_entry_id: int | None, sentence: str) -> None:
        self.fault_count += 1
        if len(self.faults) < MOST_FAULTS:
            self.faults.append(AuditFault(tampering, position, audit_entry_id, sentence + "."))


def _follow(hook: str, seal: Seal) -> str:
    return chain_hash(hook, audit_entry_id=seal.audit_entry_id, entry_hash=seal.entry_hash, sealed_at=seal.sealed_at)


def _place(fault: AuditFault) -> tuple[int, int]:
    return (
        2**63 if fault.position is None else fault.position,
        2**63 if fault.audit_entry_id is None else fault.audit_entry_id,
    )
