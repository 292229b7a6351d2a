"""A client's process: carries out the order that a file holds."""

import json
import logging
import sys
from pathlib import Path

from lockstep.proof.stress.clients.client import Client, Order
from lockstep.proof.stress.clients.intruding import Intruding
from lockstep.proof.stress.clients.managing import Managing
from lockstep.proof.stress.clients.measuring import Measuring
from lockstep.proof.stress.clients.office import Office
from lockstep.proof.stress.clients.reading import Reading
from lockstep.proof.stress.clients.watching import Watching

KINDS: dict[str, type[Client]] = {
    "measuring": Measuring,
    "reading": Reading,
    "managing": Managing,
    "watching": Watching,
    "intruding": Intruding,
    "office": Office,
}


def main(file: str) -> None:
    """The order was carried out until told to stop."""
    # A connection that a fault closed is replaced; the pool need not say so.
    logging.getLogger("psycopg.pool").setLevel(logging.ERROR)
    order = Order(**json.loads(Path(file).read_text(encoding="utf-8")))
    KINDS[order.kind](order).run()


if __name__ == "__main__":
    main(sys.argv[1])
