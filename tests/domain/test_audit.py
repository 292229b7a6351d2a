"""The canonical form of entries, the chain that seals them, and the faults found in it."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any, TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lockstep.domain.audit import (
    MOST_FAULTS,
    AuditFault,
    Checkpoint,
    Entry,
    Link,
    Seal,
    Tampering,
    canonical,
    chain_hash,
    detail_text,
    entry_hash,
    epoch_text,
    genesis,
    sealed,
    verify,
)

Changed = TypeVar("Changed", Entry, Seal)

NORTH = 7
texts = st.text(st.characters(codec="utf-8"), max_size=5)
entries = st.builds(Entry, st.integers(1, 99), texts, texts, texts, texts, texts)


def entry(number: int) -> Entry:
    return Entry(number, f"1795427045.{number:06d}", "p.manager", "accept switch", f"switch {number}", "{}")


def chain(length: int, *, batch: int = 3) -> list[Link]:
    """A chain that was sealed in batches, its entries numbered 10, 20, …"""
    links: list[Link] = []
    previous = genesis(NORTH)
    for begin in range(0, length, batch):
        some = [entry(10 * (i + 1)) for i in range(begin, min(begin + batch, length))]
        at = f"{1795427050 + begin}.000000"
        seals = sealed(NORTH, some, position=begin, previous=previous, sealed_at=at)
        links += [Link(seal, one) for seal, one in zip(seals, some, strict=True)]
        previous = seals[-1].chain_hash
    return links


def changed(thing: Changed, field: str, value: str) -> Changed:
    values: dict[str, Any] = {field: value}
    return replace(thing, **values)


def seal_of(link: Link) -> Seal:
    assert link.seal is not None
    return link.seal


def in_order(links: list[Link]) -> list[Link]:
    """As the store gives them."""
    return sorted(
        links,
        key=lambda link: (
            (1, link.entry.audit_entry_id) if link.seal is None and link.entry else (0, seal_of(link).position)
        ),
    )


def found(links: list[Link], *checkpoints: Checkpoint) -> set[tuple[Tampering, int | None]]:
    return {(fault.tampering, fault.position) for fault in verify(NORTH, in_order(links), checkpoints).faults}


def checkpoint(links: list[Link], position: int, organisation_id: int = NORTH) -> Checkpoint:
    return Checkpoint(organisation_id, position, seal_of(links[position - 1]).chain_hash, "2026-11-23T10:44:05+00:00")


class TestForm:
    def test_the_form_never_changes(self) -> None:
        """Chains sealed by former releases must verify for ever: if this fails, the form needs a version."""
        one = Entry(12, "1795427045.000120", "ä", "accept switch", "switch 1", '{"a": 1.50}')
        assert canonical(NORTH, one) == (
            '["entry",7,"1795427045.000120","\\u00e4","accept switch","switch 1","{\\"a\\": 1.50}"]'
        )
        content = entry_hash(NORTH, one)
        assert content == "3fd81bb3b43dc27dab0f218ca822813ace52a2e2f2b4adec3bc3aeed61da70ec"
        assert genesis(NORTH) == "6434a23edde8a18da40e638de7cb31da31f0be28340e57dd93a03fbef6f40fea"
        assert (
            chain_hash(genesis(NORTH), audit_entry_id=12, entry_hash=content, sealed_at="1795427046.000000")
            == "6d79e0f12446090d603bba008a7294c38d20af5bc9ef8b65758861261a20acf6"
        )

    @given(entries, entries)
    def test_only_equal_entries_have_the_same_form(self, one: Entry, other: Entry) -> None:
        alike = replace(one, audit_entry_id=0) == replace(other, audit_entry_id=0)
        assert (canonical(NORTH, one) == canonical(NORTH, other)) == alike
        assert canonical(NORTH, one) != canonical(NORTH + 1, one)

    def test_text_cannot_be_shifted_from_one_field_to_the_next(self) -> None:
        assert entry_hash(1, Entry(1, "0", "a", "bc", "d", "{}")) != entry_hash(1, Entry(1, "0", "ab", "c", "d", "{}"))
        assert entry_hash(1, Entry(1, "0", 'a","b', "c", "d", "{}")) != entry_hash(
            1, Entry(1, "0", "a", 'b","c', "d", "{}")
        )

    @pytest.mark.parametrize(
        ("at", "text"),
        [
            (datetime(1970, 1, 1, tzinfo=UTC), "0.000000"),
            (datetime(1969, 12, 31, 23, 59, 59, 999999, tzinfo=UTC), "-0.000001"),
            (datetime(1969, 12, 31, 23, 59, 58, 500000, tzinfo=UTC), "-1.500000"),
            (datetime(2026, 11, 23, 10, 44, 5, 120, tzinfo=timezone(timedelta(hours=1))), "1795427045.000120"),
        ],
    )
    def test_instants_are_seconds_since_1970(self, at: datetime, text: str) -> None:
        assert epoch_text(at) == text

    def test_a_detail_is_plain_json_or_a_mistake(self) -> None:
        at = datetime(2026, 11, 23, 10, 44, 5, tzinfo=timezone(timedelta(hours=1)))
        assert detail_text({"at": at, "on": at.date(), "limit": Decimal("1.50"), "ids": {3, 1}}) == (
            '{"at": "2026-11-23T09:44:05+00:00", "on": "2026-11-23", "limit": "1.50", "ids": [1, 3]}'
        )
        with pytest.raises(TypeError, match="object has no form"):
            detail_text({"what": object()})
        with pytest.raises(ValueError, match="not JSON compliant"):
            detail_text({"share": float("nan")})


class TestAnHonestChain:
    @given(st.integers(0, 12), st.integers(1, 5), st.integers(0, 3))
    def test_holds_however_it_was_sealed(self, length: int, batch: int, waiting: int) -> None:
        links = chain(length, batch=batch)
        young = [Link(None, entry(10 * (length + 1 + i))) for i in range(waiting)]
        marks = [checkpoint(links, position) for position in range(1, length + 1)]
        verification = verify(NORTH, links + young, marks)
        assert verification.holds
        assert (verification.sealed, verification.waiting, verification.checkpoints) == (length, waiting, length)
        assert verification.chain_hash == (seal_of(links[-1]).chain_hash if links else genesis(NORTH))

    def test_does_not_pass_for_another_organisation_s(self) -> None:
        assert verify(NORTH, chain(2)).holds
        assert not verify(NORTH + 1, chain(2)).holds

    def test_is_not_judged_by_checkpoints_of_others(self) -> None:
        other = Checkpoint(NORTH + 1, 9, "0" * 64, "")
        verification = verify(NORTH, chain(2), [other])
        assert verification.holds
        assert verification.checkpoints == 0


class TestTampering:
    @given(st.data())
    def test_no_single_change_goes_unnoticed(self, data: st.DataObject) -> None:
        """Any field of any entry or seal, any removal, any exchange; only the tail needs the checkpoint."""
        links = chain(8)
        mark = checkpoint(links, 8)
        tampered = list(links)
        index = data.draw(st.integers(0, 7))
        link = links[index]
        seal, one = seal_of(link), link.entry
        assert one is not None
        match data.draw(st.sampled_from(["entry", "seal", "no entry", "no seal", "neither", "places", "seals"])):
            case "entry":
                field = data.draw(st.sampled_from(["at", "actor", "action", "subject", "detail"]))
                tampered[index] = Link(seal, changed(one, field, "x"))
            case "seal":
                field = data.draw(st.sampled_from(["entry_hash", "chain_hash", "sealed_at"]))
                tampered[index] = Link(changed(seal, field, "0"), one)
            case "no entry":
                tampered[index] = Link(seal, None)
            case "no seal":
                tampered[index] = Link(None, one)
            case "neither":
                del tampered[index]
            case places:
                other = data.draw(st.integers(0, 7).filter(lambda other: other != index))
                far_seal, far = seal_of(links[other]), links[other].entry
                assert far is not None
                if places == "places":
                    tampered[index] = Link(seal, replace(far, audit_entry_id=one.audit_entry_id))
                    tampered[other] = Link(far_seal, replace(one, audit_entry_id=far.audit_entry_id))
                else:
                    tampered[index] = Link(replace(far_seal, position=seal.position), far)
                    tampered[other] = Link(replace(seal, position=far_seal.position), one)
        assert found(tampered, mark)

    @pytest.mark.parametrize("field", ["chain_hash", "sealed_at"])
    def test_an_altered_seal_is_named_once(self, field: str) -> None:
        links = chain(5)
        links[2] = Link(changed(seal_of(links[2]), field, "0"), links[2].entry)
        assert found(links) == {(Tampering.ALTERED_SEAL, 3)}

    def test_an_unsealed_entry_is_extra_only_when_a_younger_one_is_sealed(self) -> None:
        links = chain(3)
        assert found([*links, Link(None, entry(31))]) == set()
        assert found([*links, Link(None, entry(29))]) == {(Tampering.EXTRA_ENTRY, None)}

    def test_a_second_link_at_a_position_is_found_where_constraints_are_gone(self) -> None:
        links = chain(3)
        links.insert(1, Link(replace(seal_of(links[0]), audit_entry_id=11), entry(11)))
        assert (Tampering.ALTERED_SEAL, 1) in found(links)

    def test_after_a_gap_the_rest_is_judged_by_itself(self) -> None:
        links = chain(9)
        one = links[7].entry
        assert one is not None
        links[7] = Link(links[7].seal, replace(one, actor="x"))
        del links[2:5]
        assert found(links) == {(Tampering.MISSING_SEAL, 3), (Tampering.ALTERED_ENTRY, 8)}

    def test_many_faults_are_counted_and_some_listed(self) -> None:
        links = [Link(link.seal, None) for link in chain(MOST_FAULTS + 50)]
        verification = verify(NORTH, links)
        assert verification.fault_count == MOST_FAULTS + 50
        assert len(verification.faults) == MOST_FAULTS
        assert not verification.holds

    def test_a_fault_is_a_sentence_with_its_place(self) -> None:
        links = chain(3)
        links[1] = Link(links[1].seal, None)
        assert verify(NORTH, links).faults == (
            AuditFault(Tampering.MISSING_ENTRY, 2, 20, "Entry 20, sealed at position 2, is gone."),
        )


class TestCheckpoints:
    def test_a_tail_cut_off_is_found_by_every_checkpoint_in_it(self) -> None:
        links = chain(6)
        marks = [checkpoint(links, position) for position in (2, 5, 6)]
        assert found(links[:4], *marks) == {(Tampering.CUT_OFF, 5), (Tampering.CUT_OFF, 6)}
        assert found(links[:4], marks[0]) == set()

    def test_a_chain_built_anew_is_found_by_the_checkpoints_after_the_change(self) -> None:
        links = chain(6)
        marks = [checkpoint(links, position) for position in (2, 5)]
        some = [link.entry for link in links if link.entry]
        some[2] = replace(some[2], actor="x")
        tail = sealed(
            NORTH, some[2:], position=2, previous=seal_of(links[1]).chain_hash, sealed_at=seal_of(links[2]).sealed_at
        )
        forged = links[:2] + [Link(seal, one) for seal, one in zip(tail, some[2:], strict=True)]
        assert found(forged) == set()
        assert found(forged, *marks) == {(Tampering.REBUILT, 5)}

    def test_two_checkpoints_that_contradict_each_other_cannot_both_hold(self) -> None:
        links = chain(3)
        mark = checkpoint(links, 2)
        assert found(links, mark, replace(mark, chain_hash="0")) == {(Tampering.REBUILT, 2)}
