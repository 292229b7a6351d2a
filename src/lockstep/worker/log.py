"""What a worker tells: lines for people at a terminal, JSON lines elsewhere; never a patient's values."""

import logging
import sys

import structlog


def configure_log() -> None:
    """Log lines go to the standard error; libraries speak of errors of their own only when they stop working."""
    people_look = sys.stderr.isatty()
    last = structlog.dev.ConsoleRenderer() if people_look else structlog.processors.JSONRenderer()
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            last,
        ],
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    logging.basicConfig(level=logging.ERROR, stream=sys.stderr, format="%(name)s %(levelname)s %(message)s")
    # They tell of every lost connection, several times; the duties and the wake-ups tell it once.
    for name in ("procrastinate", "psycopg.pool", "psycopg"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
