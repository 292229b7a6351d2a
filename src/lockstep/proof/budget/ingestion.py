"""How many measurements are taken in, in batches and one by one."""

from lockstep.proof import ingestion
from lockstep.proof.budget.finding import Finding
from lockstep.proof.budget.stage import Stage

PART = "ingestion"
BATCH, CLIENTS, POSTERS = 1_500, 2, 6
SINGLES = 3_000
MOST_PATIENTS = 20_000
BATCHES_PER_SECOND, SINGLES_PER_SECOND, SINGLES_P99_MS = 10_000, 500, 30.0


def measure(stage: Stage) -> list[Finding]:
    """Values of five activities with limit rules, judged, matched and stored, from several processes."""
    patients = min(MOST_PATIENTS, stage.options.patients)
    batches, singles = ingestion.run(
        stage.database.url,
        patients=patients,
        batch=BATCH,
        clients=CLIENTS,
        singles=min(SINGLES, patients),
        posters=POSTERS,
        say=stage.say,
    )
    return [
        Finding(
            PART,
            f"batches of {BATCH:,} from {CLIENTS} clients",
            f"at least {BATCHES_PER_SECOND:,}/s",
            f"{batches.per_second:,}/s ({batches.cpu_us:.0f} us CPU each)",
            batches.per_second >= BATCHES_PER_SECOND,
            {"per_second": batches.per_second, "sent": batches.sent, "cpu_us": batches.cpu_us},
        ),
        Finding(
            PART,
            f"single posts from {POSTERS} clients",
            f"at least {SINGLES_PER_SECOND}/s, p99 at most {SINGLES_P99_MS:.0f} ms",
            f"{singles.per_second:,}/s, p99 {singles.p99_ms:.1f} ms ({singles.cpu_us:.0f} us CPU each)",
            singles.per_second >= SINGLES_PER_SECOND and singles.p99_ms <= SINGLES_P99_MS,
            {"per_second": singles.per_second, "p99_ms": singles.p99_ms, "cpu_us": singles.cpu_us},
        ),
    ]
