"""What was sent as a measurement: as a digest that tells it from another, and as text for a person."""

import hashlib
import json

from lockstep.domain.measurement import Measurement
from lockstep.domain.measurement_file import SetAside


def digest(item: Measurement | SetAside) -> bytes:
    """16 bytes that differ when anything differs that was sent under an identifier; 80 and 80.0 are the same value.

    By which way it came is no part of that: what a device sent and a file states again is a duplicate.
    """
    if isinstance(item, SetAside):
        parts = [item.patient, item.kind, item.text]
    else:
        value = "" if item.value is None else str(item.value.normalize())
        parts = [
            item.patient, item.code, value, item.finding or "", item.unit, item.taken_at.isoformat(),
            "flagged" if item.clock_flagged else "", item.device,
        ]  # fmt: skip
    return hashlib.blake2b("\x1f".join(parts).encode(), digest_size=16).digest()


def to_text(item: Measurement | SetAside) -> str:
    """What was sent, as JSON for a person to look at."""
    if isinstance(item, SetAside):
        return json.dumps({"patient": item.patient, "text": item.text}, ensure_ascii=False)
    document: dict[str, object] = {
        "source": item.source,
        "identifier": item.identifier,
        "patient": item.patient,
        "code": item.code,
        "taken_at": item.taken_at.isoformat(),
    }
    if item.value is not None:
        document |= {"value": f"{item.value:f}", "unit": item.unit}
    if item.finding is not None:
        document["finding"] = item.finding
    if item.clock_flagged:
        document["clock_flagged"] = True
    if item.history:
        document["history"] = True
    if item.device:
        document["device"] = item.device
    return json.dumps(document, ensure_ascii=False)
