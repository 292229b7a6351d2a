"""The duty that decides missed occurrences, in every organisation in turn, once nothing can come in any more."""

from lockstep.engine.judgement import Horizon, Memory, judge_due, list_horizons
from lockstep.store.database import Database
from lockstep.worker.turns import do_each

JUDGED_AT_ONCE = 500


class Judging:
    """Keeps the horizon of this worker; without it nothing is judged."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._horizon = Horizon()
        self._memories: dict[int, Memory] = {}

    def run(self) -> bool:
        """One round in each organisation with something due; returns whether more is due."""
        horizons = list_horizons(self._database, self._horizon)
        self._memories = {key: self._memories.get(key) or Memory() for key in horizons}

        def judge(organisation_id: int) -> bool:
            judged = judge_due(
                self._database,
                organisation_id=organisation_id,
                horizon_at=horizons[organisation_id],
                size=JUDGED_AT_ONCE,
                memory=self._memories[organisation_id],
            )
            # Rows that a rival holds are its own to judge: without progress there is no hurry.
            return judged.more and judged.count > 0

        return do_each(list(horizons), judge)
