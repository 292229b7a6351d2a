"""Reads, writes and describes protocol documents that people name on the command line."""

import json
from pathlib import Path
from typing import Literal

import yaml

from lockstep.domain.armt import import_armt, is_armt
from lockstep.domain.content import Content
from lockstep.domain.preview import Caution, Preview
from lockstep.domain.protocol import parse, to_document
from lockstep.domain.protocol_text import load
from lockstep.domain.refusal import UnreadableFile
from lockstep.domain.schedule import in_words

Format = Literal["yaml", "json"]


def read_content(path: Path) -> Content:
    """The content of the file. Raises InvalidProtocol, UnreadableFile, OSError."""
    document = load(text_of(path), format=format_of(path))
    return import_armt(document) if is_armt(document) else parse(document)


def text_of(path: Path) -> str:
    """The file's text, without a byte order mark. Raises UnreadableFile, OSError."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as fault:
        mend = "Save it as UTF-8, or convert it: iconv -f ORIGINAL -t UTF-8."
        raise UnreadableFile("This is not text in UTF-8", where=path.name, mend=mend) from fault


def format_of(path: Path) -> Format:
    """The format by the ending of the name: JSON for .json, else YAML."""
    return "json" if path.suffix.lower() == ".json" else "yaml"


def write_content(content: Content, *, format: Format) -> str:  # noqa: A002
    """The document as text, which read again gives the same content."""
    # Through JSON, so that a number is written as it stands in the document.
    document = json.loads(json.dumps(to_document(content), default=str))
    if format == "json":
        return json.dumps(document, ensure_ascii=False, indent=2) + "\n"
    return yaml.safe_dump(document, allow_unicode=True, sort_keys=False, width=100)


def content_words(content: Content) -> str:
    """The content in a few lines."""
    lines = [f"{content.title} ({content.key}), {len(content.activities)} activities:"]
    lines += [f"  {activity.key}: {in_words(activity.schedule)}" for activity in content.activities]
    return "\n".join(lines)


def preview_words(preview: Preview) -> str:
    """What the switch would do, and what to check before accepting it."""
    figures = preview.figures
    lines = [
        f"Switch {preview.switch_id}: {preview.kind} for {figures.patients:,} patients, {preview.effective}.",
        f"  Occurrences a week: {figures.per_week_now:,} now, {figures.per_week_after:,} after.",
    ]
    opened = ", ".join(f"{count:,} {name.replace('_', ' ')}" for name, count in figures.open_now().items() if count)
    if opened:
        lines.append(f"  Open at that time: {opened}.")
    lines += [f"  {activity.key}: {activity.change}" for activity in figures.activities]
    if any(activity.change == "removed" for activity in figures.activities):
        becomes = "are closed" if preview.close_alerts_of_removed else "stay open"
        lines.append(f"  Open alerts of what is removed {becomes}.")
    if figures.skipped:
        lines.append(f"  Not on this protocol, left out: {', '.join(f'#{number}' for number in figures.skipped)}.")
    lines += [f"  Check: {_caution_words(caution)}" for caution in preview.cautions]
    if preview.needs_approval:
        lines.append("  A second person must approve it.")
    lines.append(f"Nothing has changed. Accept it until {preview.expires_at:%Y-%m-%d %H:%M} UTC.")
    return "\n".join(lines)


def _caution_words(caution: Caution) -> str:
    return caution.sentence if caution.patients is None else f"{caution.sentence} ({caution.patients:,} patients)"
