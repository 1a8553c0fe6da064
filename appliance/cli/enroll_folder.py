"""`appliance enroll --from-folder`: a database of people from a folder of their pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from dataclasses import replace as with_parts
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from appliance import assemble
from appliance.cli import service
from appliance.cli.enroll_here import Terms, account_of, kept_by, terms
from appliance.cli.measuring import error_json, fail_after
from appliance.cli.session import Session, leave, printable
from appliance.enrolment import roll
from appliance.enrolment.alike import look_alikes
from appliance.enrolment.roll import Entry, Roll
from appliance.errors import ApplianceError, ExitCode, InputError
from appliance.reports.accounts import Account, account_json, warnings
from appliance.reports.rates import percent
from appliance.store.names import check_name
from appliance.types import Person

if TYPE_CHECKING:
    from rich.console import Console

    from appliance.config import Config
    from appliance.control.client import Client
    from appliance.enrolment.register import Register
    from appliance.perception import Perception

# How often one picture against one enrolled picture of the same person is rejected, and one against
# five: model -> target rate -> both shares, as `evaluate lfw` printed them (README, How good it
# is). A test holds the two together.
MEASURED_FRR: Final[Mapping[str, Mapping[float, tuple[float, float]]]] = {
    "mobilefacenet_dynamic": {1e-4: (0.030, 0.011), 1e-5: (0.059, 0.021)},
    "mobilefacenet": {1e-4: (0.030, 0.011), 1e-5: (0.058, 0.020)},
    "mobilefacenet_int8": {1e-4: (0.030, 0.011), 1e-5: (0.059, 0.020)},
}
# More than this are told by number.
MOST_LISTED = 10

NOT_ASKED = "the running service was not asked who is enrolled already: it tells when it keeps."

ENROLLED, REPLACED, LEFT_ALONE, REFUSED = "enrolled", "replaced", "left_alone", "refused"
_SAID = {
    False: {ENROLLED: "enrolled", REPLACED: "replaced"},
    True: {ENROLLED: "would be enrolled", REPLACED: "would be replaced"},
}


@dataclass(frozen=True)
class Outcome:
    """What became of one entry. error: why it was refused."""

    entry: Entry
    status: str
    account: Account | None = None
    error: ApplianceError | None = None


class Enrolment:
    """Everybody of one folder, one after the other."""

    def __init__(self, session: Session, *, replace: bool, dry_run: bool) -> None:
        self._config = session.config
        self._replace = replace
        self._dry_run = dry_run
        # Made for the first whose pictures are looked at.
        self._sight: tuple[Perception, Terms] | None = None
        # Whom this run found: in a dry run nobody else remembers them.
        self._met: list[Person] = []

    def outcome(self, entry: Entry, keeper: Client | Register) -> Outcome:
        """Enrol one person. What is wrong with the pictures or the name is in the outcome.

        keeper: the running service, or the store itself. Raises what concerns everybody: a store
        or a model that cannot be used, a service that went away.
        """
        try:
            name = check_name(entry.name)
            if not entry.alone:
                raise _ambiguous(entry)
            from appliance.control.client import Client

            if isinstance(keeper, Client):
                return self._sent(name, entry, keeper)
            return self._registered(name, entry, keeper)
        except ApplianceError as error:
            if error.code == "already_enrolled":
                return Outcome(entry, LEFT_ALONE)
            if not isinstance(error, InputError):
                raise
            return Outcome(entry, REFUSED, error=error)

    def _registered(self, name: str, entry: Entry, register: Register) -> Outcome:
        earlier = register.earlier(name, replace=self._replace)
        account = self._account(name, entry)
        template = account.enrolled.template
        found = register.findings(template, account.handicap, earlier)
        if self._dry_run:
            curves, far = register.calibration, register.target_far
            alike = look_alikes(template, self._met, curves, far, account.handicap)
            found = with_parts(found, look_alikes=(*found.look_alikes, *alike))
            now = assemble.clock().now()
            self._met.append(Person(name, template, now, now))
        else:
            by = {"by": "local command", "from": "folder"}
            register.keep(name, template, found, replace=self._replace, by=by)
        status = REPLACED if earlier is not None else ENROLLED
        return Outcome(entry, status, with_parts(account, found=found))

    def _sent(self, name: str, entry: Entry, keeper: Client) -> Outcome:
        account = self._account(name, entry)
        if self._dry_run:
            return Outcome(entry, ENROLLED, account)
        account = kept_by(keeper, account, replace=self._replace)
        return Outcome(entry, REPLACED if account.found.replaces else ENROLLED, account)

    def _account(self, name: str, entry: Entry) -> Account:
        if self._sight is None:
            perception = assemble.perception(self._config, liveness=False)
            self._sight = perception, terms(self._config, guided=False)
        perception, by = self._sight
        with closing(assemble.file_camera([entry.path])) as camera:
            return account_of(name, camera, perception, by)


def run(session: Session, folder: Path, *, replace: bool, dry_run: bool) -> None:
    """Enrol everybody in the folder, tell of each, and leave with 3 where somebody was refused."""
    people = roll.read(folder)
    keeper = service.running(session)
    told: list[Outcome] = []
    failed: ApplianceError | None = None
    enrolment = Enrolment(session, replace=replace, dry_run=dry_run)
    with ExitStack() as stack:
        where: Client | Register
        if keeper is None:
            store = stack.enter_context(assemble.store(session.config, create=not dry_run))
            where = assemble.register(session.config, store)
        else:
            where = keeper
        advance = stack.enter_context(session.progress("Enrolling", len(people.entries)))
        for entry in people.entries:
            try:
                told.append(enrolment.outcome(entry, where))
            except ApplianceError as error:
                if not told:
                    raise
                failed = error  # who was enrolled so far is told all the same
                break
            advance()
    data = _json(session.config, folder, people, told, dry_run=dry_run)
    if dry_run and keeper is not None:
        data["warnings"].append(NOT_ASKED)
    if failed is not None:
        data["error"] = error_json(failed)
    for warning in data["warnings"]:
        session.say(f"Warning: {printable(warning)}")
    session.result(data, lambda console: _for_people(console, data))
    if failed is not None:
        fail_after(session, failed)
    if data["refused"]:
        leave(ExitCode.BAD_DATA)


def _ambiguous(entry: Entry) -> InputError:
    return InputError(
        f"Several entries of the folder are called {entry.name!r}.",
        hint="Put the pictures of one person into one folder; capitals make no difference.",
        code="same_name",
    )


def _json(
    config: Config, folder: Path, people: Roll, told: Sequence[Outcome], *, dry_run: bool
) -> dict[str, Any]:
    counts = {
        status: sum(it.status == status for it in told)
        for status in (ENROLLED, REPLACED, LEFT_ALONE, REFUSED)
    }
    accounts = [it.account for it in told if it.account is not None]
    return {
        "folder": str(folder),
        "dry_run": dry_run,
        **counts,
        "people": [_person_json(item) for item in told],
        "passed_over": list(people.passed_over),
        "warnings": _few(config, accounts),
    }


def _person_json(item: Outcome) -> dict[str, Any]:
    plain = {"name": item.entry.name, "source": item.entry.path.name, "status": item.status}
    if item.account is not None:
        # That there are too few pictures is told once, of all together.
        return plain | account_json(item.account, warnings(item.account, min_frames=1))
    return plain | {"error": error_json(item.error) if item.error else None}


def _few(config: Config, accounts: Sequence[Account]) -> list[str]:
    """What to expect of templates of few pictures, in a sentence for all of them."""
    least = config.enrolment.min_frames_for_door
    few = [it for it in accounts if it.enrolled.template.count < least]
    if not few:
        return []
    single = sum(it.enrolled.template.count == 1 for it in few)
    who = "one person has" if len(few) == 1 else f"{len(few)} people have"
    alone = f" ({single} of them a single one)" if single and len(few) > 1 else ""
    told = (
        f"{who} fewer than {least} usable pictures{alone}, so a door does not accept them "
        f"(enrolment.min_frames_for_door). {_expected(config)}"
    )
    return [told]


def _expected(config: Config) -> str:
    name, far = config.model.name, config.verification.target_far
    known = MEASURED_FRR.get(name, {}).get(far)
    if known is None:
        return (
            f"How often one picture is too few for {name} at a false-accept rate of "
            f"{percent(far)} was not measured; `appliance evaluate lfw` does."
        )
    one, five = known
    return (
        f"On Labeled Faces in the Wild {name} rejects {percent(one)} of a person's pictures by one "
        f"enrolled picture, and {percent(five)} by five, at a false-accept rate of {percent(far)}."
    )


def _for_people(console: Console, data: Mapping[str, Any]) -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table("Name", "From", "Outcome", "Pictures", "Why or what to look at", box=None)
    for item in data["people"]:
        said = _SAID[data["dry_run"]].get(item["status"], item["status"].replace("_", " "))
        used = str(item["frames_used"]) if "frames_used" in item else ""
        table.add_row(
            Text(printable(item["name"])),
            Text(printable(item["source"])),
            said,
            used,
            Text(printable(_note(item))),
        )
    console.print(table)
    skipped = [printable(name) for name in data["passed_over"]]
    if skipped:
        more = f" and {len(skipped) - MOST_LISTED} more" if len(skipped) > MOST_LISTED else ""
        names = ", ".join(skipped[:MOST_LISTED])
        console.print(f"Passed over, for they are no pictures: {names}{more}.", markup=False)
    would = " would be" if data["dry_run"] else ""
    console.print(
        f"{data[ENROLLED]}{would} enrolled, {data[REPLACED]}{would} replaced, "
        f"{data[LEFT_ALONE]} left alone as they are enrolled already, {data[REFUSED]} refused."
        + (" Nothing was kept." if data["dry_run"] else ""),
        markup=False,
    )


def _note(item: Mapping[str, Any]) -> str:
    if item.get("error"):
        return str(item["error"]["message"])
    rejected = len(item.get("frames_rejected", ()))
    dropped = [f"{rejected} not used."] if rejected else []
    told = [f"{it[:1].upper()}{it[1:]}" for it in item.get("warnings", ())]
    return " ".join([*dropped, *told])
