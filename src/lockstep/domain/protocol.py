"""A protocol version from end to end: its content, document and text, what changed, and what is personal."""

from lockstep.domain.comparison import Change, Concern, compare, concerns_schedules, same_timing
from lockstep.domain.content import Activity, Content, OnSwitch, Policy, Timing, timing
from lockstep.domain.personal_change import applies, personal, require_change, value_of
from lockstep.domain.protocol_document import canonical, content_hash, parse, to_document
from lockstep.domain.protocol_schema import json_schema
from lockstep.domain.protocol_text import load, read_text
from lockstep.domain.refusal import Fault

__all__ = [
    "Activity", "Change", "Concern", "Content", "Fault", "OnSwitch", "Policy", "Timing",
    "applies", "canonical", "compare", "concerns_schedules", "content_hash", "json_schema", "load", "parse",
    "personal", "read_text", "require_change", "same_timing", "timing", "to_document", "value_of",
]  # fmt: skip
