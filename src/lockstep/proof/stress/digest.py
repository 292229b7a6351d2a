"""One digest for equal content, whoever wrote it down."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any


def digest(document: Mapping[str, Any] | list[Any]) -> str:
    """A hash of the document, independent of the order of keys; numbers as JSON writes them."""
    text = json.dumps(document, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:24]
