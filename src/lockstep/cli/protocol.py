"""Creates, imports, exports, publishes and compares protocols."""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from lockstep.cli.document import Format, content_words, preview_words, read_content, write_content
from lockstep.cli.face import MOST_NUMBER, AsJson, By, Exit, Of, Reason, command, opened_for, show, show_list
from lockstep.cli.naming import number_of, program_named, protocol_named
from lockstep.cli.progress import Seconds, exit_of, follow, words
from lockstep.domain.comparison import compare as compare_contents
from lockstep.domain.content import Content
from lockstep.domain.preview import Preview
from lockstep.domain.program import Protocol
from lockstep.domain.refusal import InvalidChoice, NotApproved, Refusal
from lockstep.domain.switch import SwitchKind
from lockstep.engine.acceptance import accept_switch
from lockstep.engine.preview import preview_switch
from lockstep.engine.protocol import create_protocol, list_protocols
from lockstep.engine.version import get_content, list_versions
from lockstep.store.database import Database

app = typer.Typer(help="Named ways of monitoring inside a program.", no_args_is_help=True)

Named = Annotated[str, typer.Argument(help="program/protocol, or its key or number.")]
File = Annotated[Path, typer.Argument(help="A protocol document in YAML or JSON, ours or an aRMT protocol file.")]


@app.command()
@command
def add(
    key: Annotated[str, typer.Argument(help="A short name without blanks.")],
    program: Annotated[str, typer.Option("--program", "-p", help="Key or number of the program.", show_default=False)],
    organisation: Of,
    actor: By,
    title: Annotated[str, typer.Option(help="What people read.")] = "",
    as_json: AsJson = False,
) -> None:
    """Create a protocol, without a version yet."""
    with opened_for(organisation) as (database, of):
        of_program = program_named(database, of.organisation_id, program)
        made = create_protocol(
            database,
            organisation_id=of.organisation_id,
            program_id=of_program.program_id,
            key=key,
            title=title or key,
            actor=actor,
        )
    show(made, as_json=as_json, words=f"Protocol {program}/{made.key} has number {made.protocol_id}.")


@app.command("list")
@command
def list_all(
    organisation: Of,
    program: Annotated[str | None, typer.Option("--program", "-p", help="Only those of a program.")] = None,
    as_json: AsJson = False,
) -> None:
    """List the protocols."""
    with opened_for(organisation) as (database, of):
        program_id = None if program is None else program_named(database, of.organisation_id, program).program_id
        found = list_protocols(database, organisation_id=of.organisation_id, program_id=program_id)
    columns = {
        "number": lambda each: each.protocol_id,
        "program": lambda each: each.program_id,
        "key": lambda each: each.key,
        "title": lambda each: each.title,
        "version": lambda each: each.version_number,
        "besides": lambda each: each.besides,
    }
    show_list(found, columns, as_json=as_json)


@app.command("versions")
@command
def versions(named: Named, organisation: Of, as_json: AsJson = False) -> None:
    """List the versions of a protocol, the newest first."""
    with opened_for(organisation) as (database, of):
        protocol = protocol_named(database, of.organisation_id, named)
        found = list_versions(database, organisation_id=of.organisation_id, protocol_id=protocol.protocol_id)
    columns = {
        "version": lambda each: each.number,
        "by": lambda each: each.published_by,
        "at": lambda each: each.published_at,
        "hash": lambda each: each.content_hash,
    }
    show_list(found, columns, as_json=as_json)


@app.command("import")
@command
def import_files(
    files: Annotated[
        list[Path], typer.Argument(help="Protocol documents in YAML or JSON, ours or aRMT protocol files.")
    ],
    actor: By,
    organisation: Annotated[
        str,
        typer.Option(
            "--organisation",
            "-o",
            envvar="LOCKSTEP_ORGANISATION",
            help="Key or number; without one files are only read.",
        ),
    ] = "",
    program: Annotated[str, typer.Option("--program", "-p", help="Key or number of the program.")] = "",
    reason: Annotated[str, typer.Option("--reason", "-r", help="Why; stands in the audit.")] = "import",
    as_json: AsJson = False,
) -> None:
    """Read documents; with a program, create each protocol that is missing and preview the publication of its content.

    Without a program nothing is changed. Ends with 4 when every file was refused, with 5 when some were.
    """
    if program and not organisation:
        raise InvalidChoice(
            "A program belongs to an organisation", where="organisation", mend="Name it: --organisation."
        )
    answers: list[dict[str, Any]] = []
    if program:
        with opened_for(organisation) as (database, of):
            of_program = program_named(database, of.organisation_id, program)
            known = {
                each.key: each
                for each in list_protocols(
                    database, organisation_id=of.organisation_id, program_id=of_program.program_id
                )
            }

            def preview(content: Content) -> str | Preview:
                protocol = known.get(content.key) or create_protocol(
                    database,
                    organisation_id=of.organisation_id,
                    program_id=of_program.program_id,
                    key=content.key,
                    title=content.title,
                    actor=actor,
                )
                return _preview(database, of.organisation_id, protocol, content, reason, actor)

            answers = [_imported(file, preview) for file in files]
    else:
        answers = [_imported(file, content_words) for file in files]
    refused = [answer for answer in answers if "refusal" in answer]
    show(
        {"files": answers},
        as_json=as_json,
        words="\n".join(str(answer["words"]) for answer in answers if "words" in answer),
    )
    if not as_json:
        sys.stderr.write(
            "".join(f"Refused: {answer['file']}: {line}\n" for answer in refused for line in answer["lines"])
        )
    if refused:
        raise typer.Exit(Exit.REFUSED if len(refused) == len(answers) else Exit.WITH_EXCEPTIONS)


def _imported(file: Path, then: Callable[[Content], str | Preview]) -> dict[str, Any]:
    """What became of one file; a refusal of one does not keep the others from being read."""
    told: dict[str, Any] = {"file": str(file)}
    try:
        content = read_content(file)
        made = then(content)
    except Refusal as refusal:
        faults: Sequence[object] = getattr(refusal, "faults", ()) or (refusal,)
        return {
            **told,
            "refusal": {"code": refusal.code, "what": refusal.what, "where": refusal.where, "mend": refusal.mend},
            "lines": [str(fault) for fault in faults],
        }
    told |= {"key": content.key, "title": content.title, "activities": len(content.activities), "note": content.note}
    if isinstance(made, Preview):
        return {**told, "preview": made, "words": preview_words(made)}
    return {**told, "words": made}


@app.command()
@command
def export(
    named: Named,
    organisation: Of,
    version: Annotated[
        int | None, typer.Option(min=1, max=MOST_NUMBER, help="Its number; the newest if left out.")
    ] = None,
    format: Annotated[Format, typer.Option(help="How it is written.")] = "yaml",  # noqa: A002
    as_json: AsJson = False,
) -> None:
    """Write the document of a version to the standard output."""
    with opened_for(organisation) as (database, of):
        protocol = protocol_named(database, of.organisation_id, named)
        content = get_content(
            database, organisation_id=of.organisation_id, protocol_id=protocol.protocol_id, number=version
        )
    sys.stdout.write(write_content(content, format="json" if as_json else format))


@app.command()
@command
def publish(
    named: Named,
    file: File,
    reason: Reason,
    organisation: Of,
    actor: By,
    wait: Annotated[bool, typer.Option("--wait", help="Follow the recalculation to its end.")] = False,
    seconds: Seconds = None,
    as_json: AsJson = False,
) -> None:
    """Publish a document for everyone on the protocol, now: preview and accept in one step.

    Refused where the preview has something to check first: then take `switch preview` and `switch accept`.
    """
    content = read_content(file)
    with opened_for(organisation) as (database, of):
        protocol = protocol_named(database, of.organisation_id, named)
        preview = _preview(database, of.organisation_id, protocol, content, reason, actor)
        if preview.needs_approval:
            raise NotApproved(mend=f"Have switch {preview.switch_id} approved, then accept it.")
        if preview.cautions:
            sentences = " ".join(caution.sentence for caution in preview.cautions)
            raise InvalidChoice(
                f"There is something to check first: {sentences}".rstrip("."),
                where=f"switch {preview.switch_id}",
                mend=f"Accept it by: lockstep switch accept {preview.switch_id}.",
            )
        accepted = accept_switch(
            database,
            organisation_id=of.organisation_id,
            switch_id=preview.switch_id,
            client_key=f"cli publish {preview.switch_id}",
            actor=actor,
        )
        followed = None
        if wait:
            followed = follow(
                database,
                organisation_id=of.organisation_id,
                operation_id=accepted.operation_id,
                seconds=seconds,
            )
    since = f"{accepted.accepted_at:%Y-%m-%d %H:%M:%S} UTC"
    said = f"Version {accepted.version_number} of {protocol.title} is in force since {since}."
    show(
        {"accepted": accepted, "operation": followed},
        as_json=as_json,
        words="\n".join([said, *([words(followed)] if followed else [])]),
    )
    if followed is not None:
        raise typer.Exit(exit_of(followed))


@app.command()
@command
def compare(
    before: Annotated[str, typer.Argument(help="A file, or a protocol, or protocol@version.")],
    after: Annotated[str, typer.Argument(help="The same.")],
    organisation: Annotated[
        str, typer.Option("--organisation", "-o", envvar="LOCKSTEP_ORGANISATION", help="Whose protocols are meant.")
    ] = "",
    as_json: AsJson = False,
) -> None:
    """Say how two documents or versions differ."""
    changes = compare_contents(_content(before, organisation), _content(after, organisation))
    lines = [f"{change.path} ({change.concerns}): {change.before} → {change.after}" for change in changes]
    show({"changes": list(changes)}, as_json=as_json, words="\n".join(lines) or "They are the same.")


def _content(named: str, organisation: str) -> Content:
    if Path(named).is_file():
        return read_content(Path(named))
    key, _, version = named.partition("@")
    if not organisation or (version and number_of(version, MOST_NUMBER) is None):
        what = f"There is no file {named}"
        raise InvalidChoice(what, where=named, mend="A version is named protocol@3, with --organisation.")
    with opened_for(organisation) as (database, of):
        protocol = protocol_named(database, of.organisation_id, key)
        return get_content(
            database,
            organisation_id=of.organisation_id,
            protocol_id=protocol.protocol_id,
            number=int(version) if version else None,
        )


def _preview(
    database: Database, organisation_id: int, protocol: Protocol, content: Content, reason: str, actor: str
) -> Preview:
    return preview_switch(
        database,
        organisation_id=organisation_id,
        kind=SwitchKind.PUBLISH,
        protocol_id=protocol.protocol_id,
        content=content,
        reason=reason,
        actor=actor,
    )
