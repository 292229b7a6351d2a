"""The duties that check, a slice at a time: every recalculation before it has succeeded, and everybody within a day."""

from lockstep.domain.operation import OperationState
from lockstep.domain.refusal import Refusal
from lockstep.engine import duty, recalculation
from lockstep.engine.check import Memory, check_some
from lockstep.engine.verification import verify_further
from lockstep.store.database import Database
from lockstep.worker.turns import do_each

SLICE = 500
REMEMBERED = 16


class Verifying:
    """Keeps what slices of the same check share; nothing in it is needed for correctness."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._memories: dict[tuple[int, int], Memory] = {}

    def run(self) -> bool:
        """One slice of the oldest verification in each organisation; returns whether there is more to verify."""
        return do_each(duty.list_waiting(self._database, duty.Waiting.RECALCULATION), self._verify)

    def _verify(self, organisation_id: int) -> bool:
        verifying = [
            operation
            for operation in recalculation.list_work(self._database, organisation_id=organisation_id)
            if operation.state == OperationState.VERIFYING
        ]
        if not verifying:
            return False
        operation = verifying[0]
        if len(self._memories) > REMEMBERED:
            self._memories.clear()
        try:
            state = verify_further(
                self._database,
                organisation_id=organisation_id,
                operation=operation,
                size=SLICE,
                memory=self._memories.setdefault((organisation_id, operation.operation_id), Memory()),
            )
        except Refusal:
            # Another worker made the step first; the database tells where the operation stands now.
            return True
        return state is OperationState.VERIFYING or len(verifying) > 1


class Checking:
    """Walks through everybody within a day, for ever, so that drift does not wait for a switch to be found."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._memories: dict[int, Memory] = {}

    def run(self) -> bool:
        """One slice in each organisation whose round is not ahead of its time; never in a hurry."""
        do_each(duty.list_waiting(self._database, duty.Waiting.ANYTHING), self._check)
        return False

    def _check(self, organisation_id: int) -> bool:
        memory = self._memories.setdefault(organisation_id, Memory())
        check_some(self._database, organisation_id=organisation_id, size=SLICE, memory=memory)
        return False
