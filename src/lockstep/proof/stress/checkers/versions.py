"""S8: a published version's content never changes."""

from lockstep.proof.stress.digest import digest
from lockstep.proof.stress.evidence import Evidence
from lockstep.proof.stress.finding import Finding, Looking


def check_versions(evidence: Evidence) -> Finding:
    """Whoever published a version, read it later, or reads it at the end, found the same content."""
    looking = Looking("versions", "S8")
    published: dict[tuple[int, int], str] = {}
    for operation in evidence.history.of("accept"):
        if operation.ok and operation.sent.get("content"):
            version = (operation.sent["protocol"], operation.answer["version"])
            published.setdefault(version, operation.sent["content"])
    for operation in evidence.history.of("content"):
        if operation.ok:
            version = (operation.sent["protocol"], operation.sent["version"])
            before = published.setdefault(version, operation.answer["content"])
            same = before == operation.answer["content"]
            looking.look(same, "protocol, version {} read differently: {}", version, operation.client)
    for version, content in published.items():
        now = evidence.final.contents.get(version)
        looking.look(now is not None and digest(now) == content, "{} is not what was published", version)
    return looking.finding()
