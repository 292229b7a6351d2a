"""Reads: what is in force and to come, the past again and again, days when clocks change, and versions."""

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from typing import Any

from lockstep.domain.answer import AgendaAnswer
from lockstep.domain.occurrence import OccurrenceState
from lockstep.domain.protocol import to_document
from lockstep.engine.timeline import answer_agenda
from lockstep.engine.version import get_content
from lockstep.proof.stress.clients.client import Client, Order
from lockstep.proof.stress.digest import digest
from lockstep.proof.stress.world import NORTH, SOUTH, Group

AHEAD = timedelta(hours=36)
MOST_QUESTIONS = 400
PROBED = 400
CHANGES = (date(2027, 3, 14), date(2027, 3, 28), date(2027, 10, 31), date(2027, 11, 7), date(2027, 4, 4))
"""Sundays on which clocks change in America, Europe or Australia."""


class Reading(Client):
    """Reads until told to stop, then asks every question about the past once more, and for the days of many."""

    def __init__(self, order: Order) -> None:
        super().__init__(order)
        self.questions: list[tuple[int, dict[str, Any]]] = []
        self.versions: dict[tuple[int, int], int] = {}
        self.began_at = datetime.now(UTC)

    def step(self) -> None:
        """One question of some kind."""
        drawn = self.chance.random()
        # Half of it where switches are.
        switched = [self.world.group(*each) for each in ((NORTH, "heart"), (NORTH, "lungs"), (SOUTH, "heart"))]
        group = self.chance.choice([*self.world.groups, *switched, *switched])
        if drawn < 0.75:
            self.read(group, self._enrolment(group))
        elif drawn < 0.9:
            self._past(group)
        elif drawn < 0.96:
            self._calendar(group)
        else:
            self._content()

    def finish(self) -> None:
        """Every question about the past is asked again, and the next day of some more patients."""
        for organisation_id, question in self.questions:
            self._ask_past(organisation_id, question)
        for group in self.world.groups:
            step = max(1, group.count // PROBED)
            for position in range(self.order.share, group.count, step * self.order.shares):
                self.read(group, group.first_id + position)

    def _enrolment(self, group: Group) -> int:
        # Few, so that the same ones are read before and after a switch.
        step = max(1, group.count // PROBED)
        return group.first_id + self.chance.randrange(min(PROBED, group.count)) * step % group.count

    def read(self, group: Group, enrolment_id: int) -> None:
        """What is in force now, and what comes in the next day and a half."""

        def work() -> AgendaAnswer:
            from_at = datetime.now(UTC)  # somebody who looks has a clock of their own
            return answer_agenda(
                self.database,
                organisation_id=group.organisation_id,
                enrolment_id=enrolment_id,
                from_at=from_at,
                until_at=from_at + AHEAD,
            )

        _, answer = self.ask("read", group.organisation_id, work, _shown, enrolment=enrolment_id)
        if answer is not None and answer.in_force is not None and answer.in_force.version_number is not None:
            self.versions[answer.in_force.protocol_id, answer.in_force.version_number] = group.organisation_id

    def _past(self, group: Group) -> None:
        if self.questions and self.chance.random() < 0.7:
            organisation_id, question = self.chance.choice(self.questions)
        else:
            at = datetime.now(UTC)
            # Nobody knew the patients before they were enrolled.
            age = (at - self.began_at).total_seconds()
            known_at = at - timedelta(seconds=min(age, self.chance.uniform(2, 90)))
            asked_at = known_at - timedelta(seconds=self.chance.choice((0, 1, 30, 600)))
            question = {
                "enrolment": self._enrolment(group), "at": asked_at.isoformat(), "known_at": known_at.isoformat(),
                "from": (asked_at - timedelta(minutes=20)).isoformat(), "until": (asked_at + AHEAD).isoformat(),
            }  # fmt: skip
            organisation_id = group.organisation_id
            if len(self.questions) < MOST_QUESTIONS:
                self.questions.append((organisation_id, question))
        self._ask_past(organisation_id, question)

    def _ask_past(self, organisation_id: int, question: dict[str, Any]) -> None:
        self.ask(
            "past",
            organisation_id,
            lambda: answer_agenda(
                self.database,
                organisation_id=organisation_id,
                enrolment_id=question["enrolment"],
                from_at=datetime.fromisoformat(question["from"]),
                until_at=datetime.fromisoformat(question["until"]),
                at=datetime.fromisoformat(question["at"]),
                known_at=datetime.fromisoformat(question["known_at"]),
            ),
            lambda answer: {"digest": digest(_whole(answer))},
            **question,
        )

    def _calendar(self, group: Group) -> None:
        enrolment_id = self._enrolment(group)
        day = self.chance.choice(CHANGES)
        from_at = datetime(day.year, day.month, day.day, tzinfo=UTC) - timedelta(days=2)
        until_at = from_at + timedelta(days=4 if group.key in ("heart", "lungs") else 1)
        self.ask(
            "calendar",
            group.organisation_id,
            lambda: answer_agenda(
                self.database,
                organisation_id=group.organisation_id,
                enrolment_id=enrolment_id,
                from_at=from_at,
                until_at=until_at,
            ),
            _windows,
            enrolment=enrolment_id,
        )

    def _content(self) -> None:
        if not self.versions:
            return
        (protocol_id, number), organisation_id = self.chance.choice(list(self.versions.items()))
        self.ask(
            "content",
            organisation_id,
            lambda: get_content(self.database, organisation_id=organisation_id, protocol_id=protocol_id, number=number),
            lambda content: {"content": digest(to_document(content))},
            protocol=protocol_id,
            version=number,
        )


def _shown(answer: AgendaAnswer) -> dict[str, Any]:
    """What is in force, and which versions what comes belongs to, with the first and last opening of each."""
    coming: dict[tuple[int, int], list[datetime]] = {}
    for each in answer.occurrences:
        if each.opens_at > answer.at and each.state is OccurrenceState.COMING:
            coming.setdefault((each.protocol_id, each.version_number), []).append(each.opens_at)
    named = answer.in_force
    return {
        "at": answer.at,
        "known_at": answer.known_at,
        "protocol": named.protocol_id if named else None,
        "version": named.version_number if named else None,
        "coming": [[*version, min(opens), max(opens)] for version, opens in coming.items()],
    }


def _windows(answer: AgendaAnswer) -> dict[str, Any]:
    assert answer.in_force is not None
    rows: Iterable[list[Any]] = (
        [e.activity_key, e.on, e.slot, e.opens_at, e.closes_at, e.judge_at, e.protocol_id, e.version_number]
        for e in answer.occurrences
    )
    return {"zone": answer.in_force.zone, "windows": list(rows)}


def _whole(answer: AgendaAnswer) -> list[Any]:
    named = answer.in_force
    known = None if named is None else [named.protocol_id, named.version_number, named.zone, named.paused]
    return [known, *([str(getattr(each, name)) for name in each.__slots__] for each in answer.occurrences)]
