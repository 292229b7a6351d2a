"""Adds up the effects of a switch into a preview's figures, and says what to check."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

from lockstep.domain.comparison import Change, compare
from lockstep.domain.content import Content, timing
from lockstep.domain.effect import Effect
from lockstep.domain.loosening import loosened
from lockstep.domain.preview import ActivityFigures, Caution, Conflict, Fates, Figures, Rank
from lockstep.domain.rule import OtherRule

_COUNTS = ("go_on", "superseded", "asked_at_once", "waived")


def figures_of(
    effects: Sequence[Effect],
    before: Content | None,
    after: Content | None,
    *,
    skipped: tuple[int, ...],
    conflicts: tuple[Conflict, ...],
    seen_target_number: int | None,
) -> Figures:
    """The totals over all groups; `before` and `after` are the contents that most of those concerned have."""
    activities = _activities(effects, before, after)
    return Figures(
        patients=sum(effect.members for effect in effects),
        behind=sum(effect.behind for effect in effects),
        skipped=skipped,
        per_week_now=sum(activity.per_week_now for activity in activities),
        per_week_after=sum(activity.per_week_after for activity in activities),
        activities=activities,
        fates=_fates(effects),
        conflicts=conflicts,
        changes=tuple(_change(change) for change in compare(before, after)) if before and after else (),
        seen_target_number=seen_target_number,
    )


def _change(change: Change) -> Mapping[str, object]:
    return {"path": change.path, "before": change.before, "after": change.after, "concerns": change.concerns}


def _activities(
    effects: Sequence[Effect], before: Content | None, after: Content | None
) -> tuple[ActivityFigures, ...]:
    now: dict[str, int] = defaultdict(int)
    then: dict[str, int] = defaultdict(int)
    patients: dict[str, int] = defaultdict(int)
    titles: dict[str, str] = {}
    for effect in effects:
        for content in (effect.before.content, effect.after.content):
            titles |= {activity.key: activity.title for activity in content.activities} if content else {}
        for key, count in effect.per_week_now.items():
            now[key] += count
        for key, count in effect.per_week_after.items():
            then[key] += count
        for key in _keys(effect):
            patients[key] += effect.members
    for content in (before, after):
        titles |= {activity.key: activity.title for activity in content.activities} if content else {}
    return tuple(
        ActivityFigures(key, title, _what(key, before, after), patients[key], now[key], then[key])
        for key, title in titles.items()
    )


def _keys(effect: Effect) -> set[str]:
    contents = [segment.content for segment in (effect.before, effect.after) if segment.content]
    return {activity.key for content in contents for activity in content.activities}


def _what(key: str, before: Content | None, after: Content | None) -> str:
    one = before.activity(key) if before else None
    other = after.activity(key) if after else None
    if one is None or other is None:
        return "removed" if other is None else "added"
    if one == other:
        return "same"
    return "same timing" if timing(one) == timing(other) else "changed"


def _fates(effects: Sequence[Effect]) -> tuple[Fates, ...]:
    counts: dict[tuple[str, str, str], dict[str, int]] = defaultdict(lambda: dict.fromkeys(_COUNTS, 0))
    for effect in effects:
        for name in _COUNTS:
            for key, count in getattr(effect, name).items():
                counts[effect.zone, effect.anchor_on.isoformat(), key][name] += count
    return tuple(
        Fates(zone, anchor_on, key, *found.values()) for (zone, anchor_on, key), found in sorted(counts.items())
    )


def cautions_of(
    effects: Sequence[Effect],
    figures: Figures,
    after: Content | None,
    *,
    open_alerts: Mapping[str, int],
    closes_alerts: bool = False,
) -> tuple[Caution, ...]:
    """What to check before accepting, the most urgent first."""
    titles = {activity.key: activity.title for activity in figures.activities}
    becomes = "are closed with it" if closes_alerts else "stay"
    found = [
        *_of_conflicts(figures),
        *_of_gaps(effects, titles),
        *_of_silence(effects, titles),
        *_of_looser(effects),
        *(
            Caution(
                Rank.ALERTS,
                "open-alerts-of-removed",
                f"{titles.get(key, key)} is removed; its open alerts {becomes}",
                count,
            )
            for key, count in open_alerts.items()
        ),
        *_not_judged(after),
    ]
    if figures.behind:
        words = "Agendas are still being recalculated after an earlier switch"
        found.append(Caution(Rank.NOTICE, "behind", words, figures.behind))
    if figures.skipped:
        words = f"{len(figures.skipped):,} of those named are not on the protocol and are skipped"
        found.append(Caution(Rank.NOTICE, "skipped", words, len(figures.skipped)))
    return ranked(found)


def ranked(cautions: Sequence[Caution]) -> tuple[Caution, ...]:
    """The most urgent first, of equal ones that of more patients."""
    return tuple(sorted(cautions, key=lambda each: (each.rank, -(each.patients or 0), each.sentence)))


def loosens_limits(effects: Sequence[Effect]) -> bool:
    """Whether the switch loosens or removes a limit for anybody, so that a second person must approve."""
    return any(found.limit for one, other in _pairs(effects) for found in loosened(one, other))


def _pairs(effects: Sequence[Effect]) -> dict[tuple[Content, Content], int]:
    """How many patients go from which content to which."""
    pairs: dict[tuple[Content, Content], int] = defaultdict(int)
    for effect in effects:
        if effect.before.content is not None and effect.after.content is not None:
            pairs[effect.before.content, effect.after.content] += effect.members
    return pairs


def _of_conflicts(figures: Figures) -> list[Caution]:
    return [
        Caution(
            Rank.REFUSED,
            "personal-changes-in-conflict",
            f"Personal changes of {each.activity_key}, {each.field}, must be resolved or signed for: {each.why}",
            each.enrolments,
        )
        for each in figures.conflicts
    ]


def _of_gaps(effects: Sequence[Effect], titles: Mapping[str, str]) -> list[Caution]:
    patients: dict[str, int] = defaultdict(int)
    longest: dict[str, tuple[int, int]] = {}
    for effect in effects:
        for key, gap in effect.gaps.items():
            patients[key] += effect.members
            longest[key] = max(longest.get(key, gap), gap)
    return [
        Caution(
            Rank.SILENT,
            "coverage-gap",
            f"{titles.get(key, key)} is not asked for {_span(longest[key][0])} across the switch;"
            f" in both versions it is at most {_span(longest[key][1])}",
            count,
        )
        for key, count in patients.items()
    ]


def _span(minutes: int) -> str:
    days, rest = divmod(minutes, 1440)
    hours, rest = divmod(rest, 60)
    named = ((days, "d"), (hours, "h"), (rest, "min"))
    return " ".join(f"{count} {unit}" for count, unit in named if count) or "0 min"


def _of_silence(effects: Sequence[Effect], titles: Mapping[str, str]) -> list[Caution]:
    patients: dict[str, int] = defaultdict(int)
    for effect in effects:
        for key in effect.silent:
            patients[key] += effect.members
    return [
        Caution(Rank.SILENT, "never-again", f"{titles.get(key, key)} is not asked for again after the switch", count)
        for key, count in patients.items()
    ]


def _of_looser(effects: Sequence[Effect]) -> list[Caution]:
    patients: dict[str, int] = defaultdict(int)
    for (one, other), count in _pairs(effects).items():
        for found in loosened(one, other):
            patients[found.sentence] += count
    return [Caution(Rank.LOOSER, "looser", sentence, count) for sentence, count in patients.items()]


def _not_judged(after: Content | None) -> list[Caution]:
    if after is None:
        return []
    return [
        Caution(
            Rank.NOTICE,
            "not-judged",
            f"{activity.title}: the rule {rule.key} ({rule.kind}) is not judged by this release",
        )
        for activity in after.activities
        for rule in activity.rules
        if isinstance(rule, OtherRule)
    ]
