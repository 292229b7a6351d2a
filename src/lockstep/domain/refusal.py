"""Decisions the rules do not allow, each with a code and a sentence for people."""

from dataclasses import dataclass


class Refusal(Exception):
    """This is not allowed."""

    code = "refused"
    usual_where = ""
    usual_mend = ""
    """What is said where whoever refuses says nothing more exact."""

    def __init__(self, what: str = "", *, where: str = "", mend: str = "") -> None:
        self.what = what or (type(self).__doc__ or "This is not allowed.").strip()
        self.where = where or self.usual_where
        self.mend = mend or self.usual_mend
        super().__init__(str(self))

    def __str__(self) -> str:
        place = f" (at {self.where})" if self.where else ""
        mend = f" {self.mend}" if self.mend else ""
        return f"{self.what.rstrip('.')}{place}.{mend}"


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong in a document: where, what, and how to mend it."""

    path: str
    what: str
    mend: str = ""

    def __str__(self) -> str:
        mend = f" {self.mend}" if self.mend else ""
        return f"{self.path or 'document'}: {self.what.rstrip('.')}.{mend}"


class InvalidProtocol(Refusal):
    """The protocol document is not valid."""

    code = "invalid-protocol"

    def __init__(self, what: str = "", *, where: str = "", mend: str = "", faults: tuple[Fault, ...] = ()) -> None:
        """Carries every fault; made from a single sentence it carries that one."""
        self.faults = faults or (Fault(where, what or "The protocol document is not valid", mend),)
        first = self.faults[0]
        more = f" ({len(self.faults) - 1} more faults)" if len(self.faults) > 1 else ""
        super().__init__(first.what.rstrip(".") + more, where=first.path, mend=first.mend)


class InvalidSchedule(Refusal):
    """The schedule cannot be expressed exactly, so it is refused."""

    code = "invalid-schedule"


class InvalidMeasurement(Refusal):
    """The measurement cannot be taken in."""

    code = "invalid-measurement"


class UnknownZone(Refusal):
    """The civil time zone is not known."""

    code = "unknown-zone"


class UnknownField(Refusal):
    """There is no such activity or field that could be changed for one patient."""

    code = "unknown-field"


class LockedField(Refusal):
    """The protocol does not allow this value to be changed for one patient."""

    code = "locked-field"


class InvalidMapping(Refusal):
    """The mapping of a measurement file is not valid."""

    code = "invalid-mapping"


class UnreadableFile(Refusal):
    """The file cannot be read."""

    code = "unreadable-file"


class InvalidAddress(Refusal):
    """This is no address of a database."""

    code = "invalid-address"


class DatabaseRefuses(Refusal):
    """The database does not let us in."""

    code = "database-refuses"


class NotMigrated(Refusal):
    """The database has not the schema of this release."""

    code = "not-migrated"


class Unreachable(Refusal):
    """The database does not answer; nothing was done."""

    code = "unreachable"


class InvalidName(Refusal):
    """A key or title has 1 to 100 (a title 200) characters and is not blank."""

    code = "invalid-name"


class AlreadyExists(Refusal):
    """Something with this key or identifier exists already."""

    code = "already-exists"


class UnknownProgram(Refusal):
    """There is no such program."""

    code = "unknown-program"


class UnknownProtocol(Refusal):
    """There is no such protocol in the program."""

    code = "unknown-protocol"


class UnknownPatient(Refusal):
    """There is no such patient."""

    code = "unknown-patient"


class UnknownEnrolment(Refusal):
    """There is no such enrolment."""

    code = "unknown-enrolment"


class AlreadyEnrolled(Refusal):
    """The patient is enrolled in this program already."""

    code = "already-enrolled"


class Discharged(Refusal):
    """The enrolment has ended; enrolling again makes a new one."""

    code = "discharged"


class NotAtThisTime(Refusal):
    """A fact of this kind cannot begin at that instant."""

    code = "not-at-this-time"


class NothingInForce(Refusal):
    """No version of the protocol is in force for this patient yet."""

    code = "nothing-in-force"


class NoSuchPause(Refusal):
    """The enrolment is not paused."""

    code = "no-such-pause"


class AlreadyPaused(Refusal):
    """The enrolment is paused at that time already."""

    code = "already-paused"


class NoSuchPersonalChange(Refusal):
    """There is no personal change of this field to clear."""

    code = "no-such-personal-change"


class MissingReason(Refusal):
    """A reason of 1 to 1000 characters is needed."""

    code = "missing-reason"


class TooMany(Refusal):
    """That is more than one request may hold."""

    code = "too-many"


class UnknownSwitch(Refusal):
    """There is no such switch."""

    code = "unknown-switch"
    usual_where = "switch_id"
    usual_mend = "List them: lockstep switch list."


class InvalidSwitch(Refusal):
    """The switch is not completely described."""

    code = "invalid-switch"


class NothingToSwitch(Refusal):
    """This switch would change nothing."""

    code = "nothing-to-switch"
    usual_where = "switch"
    usual_mend = "Compare it with what is in force: lockstep protocol compare."


class InThePast(Refusal):
    """The time at which the switch should take effect has passed; a switch never takes effect in the past."""

    code = "in-the-past"
    usual_where = "effective"
    usual_mend = "Name a time that is to come, or take 'now'."


class PreviewExpired(Refusal):
    """The preview has expired."""

    code = "preview-expired"
    usual_where = "switch_id"
    usual_mend = "Preview it again."


class StalePreview(Refusal):
    """Other switches of this protocol were decided since the preview."""

    code = "stale-preview"

    def __init__(
        self, what: str = "", *, where: str = "", mend: str = "",
        seen: int = 0, difference: tuple[str, ...] = (), same_effect: bool = False,
    ) -> None:  # fmt: skip
        """`difference` says what was decided since; with `same_effect` it is enough to accept with this `seen`."""
        super().__init__(what, where=where, mend=mend)
        self.seen = seen
        self.difference = difference
        self.same_effect = same_effect


class NotApproved(Refusal):
    """A second person must approve this switch first."""

    code = "not-approved"
    usual_where = "switch_id"
    usual_mend = "Have it approved: lockstep switch approve."


class SamePerson(Refusal):
    """Whoever made the preview cannot approve it; a second person must."""

    code = "same-person"


class PersonalChangesInConflict(Refusal):
    """The switch would take away what was changed for single patients."""

    code = "personal-changes-in-conflict"


class SwitchLoop(Refusal):
    """The moves would lead round in a circle."""

    code = "switch-loop"


class AlreadyAccepted(Refusal):
    """The switch has been accepted already."""

    code = "already-accepted"
    usual_where = "switch_id"
    usual_mend = "Look at it: lockstep switch show."


class NotAccepted(Refusal):
    """The switch has not been accepted."""

    code = "not-accepted"
    usual_where = "switch_id"
    usual_mend = "Accept it first, or let its preview expire."


class AlreadyInForce(Refusal):
    """The switch is in force already, so it cannot be withdrawn; switch forward to what was before."""

    code = "already-in-force"


class KeyUsedOtherwise(Refusal):
    """This client key was used for another request."""

    code = "key-used-otherwise"


class InvalidCheckpoint(Refusal):
    """The file of audit checkpoints cannot be read."""

    code = "invalid-checkpoint"


class UnknownOperation(Refusal):
    """There is no such operation."""

    code = "unknown-operation"
    usual_where = "operation_id"
    usual_mend = "List them: lockstep operation list."


class ImpossibleStep(Refusal):
    """The operation's state does not allow this step."""

    code = "impossible-step"


class InvalidWait(Refusal):
    """An operation may wait for a limited time only, which ends in the future."""

    code = "invalid-wait"


class UnknownOrganisation(Refusal):
    """There is no such organisation."""

    code = "unknown-organisation"


class UnknownVersion(Refusal):
    """The protocol has no such version."""

    code = "unknown-version"


class InvalidChoice(Refusal):
    """What was asked for does not fit together."""

    code = "invalid-choice"


class UnknownCheck(Refusal):
    """There is no such check."""

    code = "unknown-check"


def short(given: object) -> str:
    """What was given, as a refusal's path or sentence may hold it: printable, at most 40 characters."""
    try:
        text = str(given)
    except (ValueError, RecursionError):  # a whole number of thousands of digits refuses to be written out
        text = type(given).__name__
    text = text if len(text) <= 40 else text[:39] + "…"
    return text if text.isprintable() else repr(text)[1:-1]


def shown(given: object) -> str:
    """The same in quotes."""
    return f"'{short(given)}'"
