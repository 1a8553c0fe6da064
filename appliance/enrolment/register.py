"""From a template to somebody enrolled: whom it replaces, whom it looks like, and its record."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass

from appliance.enrolment.alike import Likeness, likeness, look_alikes
from appliance.errors import InputError, StoreError
from appliance.ports import AuditLog, PeopleStore
from appliance.types import Person, Template
from appliance.vision.manifest import Calibration


@dataclass(frozen=True)
class Findings:
    """How a new template stands to those that are there.

    replaces: somebody of this name was enrolled before; before: how alike the two are, None where
    their models differ. look_alikes: others; not_compared: why they could not be looked at.
    """

    replaces: bool = False
    before: Likeness | None = None
    look_alikes: tuple[Likeness, ...] = ()
    not_compared: str | None = None


@dataclass(frozen=True)
class Register:
    """Keeps templates together with their audit records.

    together: whatever is changed and recorded inside happens as a whole, or not at all.
    calibration, target_far: what likeness is judged by.
    """

    people: PeopleStore
    audit: AuditLog
    together: Callable[[], AbstractContextManager[object]]
    calibration: Calibration
    target_far: float

    def earlier(self, name: str, *, replace: bool) -> Person | None:
        """Whom this replaces. InputError where it may not; ask before the work, not after it."""
        found = self.people.get(name)
        if found is not None and not replace:
            raise InputError(
                f"{name!r} is enrolled already.",
                hint="Give --replace to enrol this person anew, or choose another name.",
                code="already_enrolled",
            )
        return found

    def findings(self, template: Template, handicap: float, earlier: Person | None) -> Findings:
        """Compare with everybody; a template that cannot be opened hinders nobody.

        handicap: the median of the template's frames'. earlier: whom it replaces.
        """
        curves, target_far = self.calibration, self.target_far
        before = likeness(template, earlier, curves, target_far, handicap) if earlier else None
        known = earlier.name if earlier else None
        try:
            others = [person for person in self.people.everybody() if person.name != known]
        except StoreError as error:
            return Findings(earlier is not None, before, not_compared=error.message)
        alike = look_alikes(template, others, curves, target_far, handicap)
        return Findings(earlier is not None, before, tuple(alike))

    def keep(
        self,
        name: str,
        template: Template,
        found: Findings,
        *,
        replace: bool,
        by: Mapping[str, object],
    ) -> None:
        """Keep the template and record it. by: who asked, for the audit."""
        record: dict[str, object] = {"frames": template.count, "replace": replace, **by}
        if found.before is not None:
            record["like_before"] = found.before.accepted
        if found.look_alikes:
            record["looks_like"] = [item.name for item in found.look_alikes]
        with self.together():  # no template without its record
            self.people.add(name, template, replace=replace)
            self.audit.append("enrolled", name, record)
