"""Manages: publishes versions, moves some patients, for now or in a moment; sends the same acceptance again."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from lockstep.domain.acceptance import Accepted
from lockstep.domain.preview import Preview
from lockstep.domain.protocol import parse, to_document
from lockstep.engine.acceptance import accept_switch, approve_switch
from lockstep.engine.preview import preview_switch
from lockstep.proof.stress.clients.client import Client, Order
from lockstep.proof.stress.digest import digest
from lockstep.proof.stress.protocols import at_home, in_ward
from lockstep.proof.stress.world import NORTH, SOUTH, Group

SECOND = "a second person"
MOVED = 10


class Managing(Client):
    """Switches until told to stop; whatever is not answered is sent again under the same key."""

    def __init__(self, order: Order) -> None:
        super().__init__(order)
        self.number = 0

    def step(self) -> None:
        """One switch of some kind."""
        drawn = self.chance.random()
        if drawn < 0.12:
            self._move()
        elif drawn < 0.2:
            self._switch(self.world.group(NORTH, "unit"), self._ward())
        elif drawn < 0.45:
            self._switch(self.world.group(SOUTH, "heart"), self._at_home("heart"))
        elif drawn < 0.7:
            self._switch(self.world.group(NORTH, "lungs"), self._at_home("lungs"))
        else:
            self._switch(self.world.group(NORTH, "heart"), self._at_home("heart"))

    def _at_home(self, key: str) -> dict[str, Any]:
        return at_home(key, self.chance.randint(1, 6), 100 + self.chance.randint(0, 5))

    def _ward(self) -> dict[str, Any]:
        return in_ward("unit", self.world.labels, low=self.chance.randint(88, 93), lasts=self.chance.choice((1, 1, 2)))

    def _switch(self, group: Group, document: dict[str, Any]) -> None:
        content = parse(document)
        more: dict[str, Any] = {"kind": "publish", "content": content}
        if self.chance.random() < 0.1:
            more |= {"effective": "instant", "effective_at": datetime.now(UTC) + timedelta(seconds=5)}
        self.decide(group, more, digest(to_document(content)))

    def _move(self) -> None:
        group, target = self.world.group(NORTH, "heart"), self.world.group(NORTH, "lungs")
        if self.chance.random() < 0.4:
            group, target = target, group
        step = max(1, group.count // 400)
        chosen = [group.first_id + step * self.chance.randrange(max(1, group.count // step)) for _ in range(MOVED)]
        more = {"kind": "move", "target_protocol_id": target.protocol_id, "scope": "selection", "enrolment_ids": chosen}
        self.decide(group, more, None, target=target.protocol_id)

    def decide(
        self, group: Group, more: Mapping[str, Any], content: str | None, *, target: int | None = None
    ) -> Accepted | None:
        """The switch was previewed, approved where that is needed, and accepted, unless somebody else was first."""
        preview = self.insist(
            "preview",
            group.organisation_id,
            lambda: preview_switch(
                self.database,
                organisation_id=group.organisation_id,
                protocol_id=group.protocol_id,
                actor=self.order.name,
                reason="The stress run wants it",
                **more,
            ),
            lambda made: {"switch": made.switch_id},
            protocol=group.protocol_id,
        )
        return self.accept(preview, group, content, target) if preview is not None else None

    def accept(self, preview: Preview, group: Group, content: str | None, target: int | None) -> Accepted | None:
        """The previewed switch was accepted; sometimes it is asked for once more."""
        organisation_id, switch_id = group.organisation_id, preview.switch_id
        if preview.needs_approval:
            self.insist(
                "approve",
                organisation_id,
                lambda: approve_switch(
                    self.database, organisation_id=organisation_id, switch_id=switch_id, actor=SECOND
                ),
                lambda _: {},
                switch=switch_id,
            )
        self.number += 1
        key = f"{self.order.name} {self.number}"
        sent = {
            "key": key, "switch": switch_id, "kind": preview.kind.value, "protocol": preview.protocol_id,
            "target": target, "content": content, "actor": self.order.name,
        }  # fmt: skip
        accepted: Accepted | None = None
        for _ in range(2 if self.chance.random() < 0.3 else 1):
            accepted = self.insist(
                "accept",
                organisation_id,
                lambda: accept_switch(
                    self.database,
                    organisation_id=organisation_id,
                    switch_id=switch_id,
                    client_key=key,
                    actor=self.order.name,
                ),
                shown,
                **sent,
            )
        return accepted


def shown(accepted: Accepted) -> dict[str, Any]:
    """An acceptance as histories tell it."""
    return {
        "number": accepted.number, "version": accepted.version_number, "generation": accepted.generation,
        "operation": accepted.operation_id, "accepted_at": accepted.accepted_at, "first_at": accepted.first_at,
        "last_at": accepted.last_at, "repeated": accepted.repeated,
    }  # fmt: skip
