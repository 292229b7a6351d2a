"""The example protocols that are shipped with the program; examples, not medical advice."""

from functools import cache
from importlib.resources import files

from lockstep.domain.protocol import Content, read_text


@cache
def example_protocols() -> dict[str, Content]:
    """Every example by its key, in the order of the keys."""
    texts = (
        entry.read_text("utf-8")
        for entry in files("lockstep.proof").joinpath("protocols").iterdir()
        if entry.name.endswith(".yaml")
    )
    contents = (read_text(text, format="yaml") for text in texts)
    return {content.key: content for content in sorted(contents, key=lambda content: content.key)}
