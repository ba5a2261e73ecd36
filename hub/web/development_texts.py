"""The words of what people undertake: follow-up plans (RTL), certifications, and what waits for whom.

Codes are those of `mappings.rtl` and `mappings.certification`; a test compares the families.
"""

from __future__ import annotations

from flask_babel import gettext as _

# Follow-up plans -------------------------------------------------------------------------------------------


def rtl_states() -> dict[str, str]:
    """How far a plan has come. "asked": it is owed, and nothing was written yet."""
    return {
        "asked": _("not written yet"),
        "planned": _("draft"),
        "submitted": _("submitted"),
        "approved": _("approved"),
        "returned": _("returned"),
        "realised": _("realised"),
        "evaluated": _("evaluated"),
    }


def rtl_steps() -> dict[str, str]:
    """What somebody did with a plan."""
    return {
        "planned": _("wrote the plan"),
        "submitted": _("submitted the plan"),
        "approved": _("approved the plan"),
        "returned": _("returned the plan"),
        "realised": _("reported the plan as realised"),
        "evaluated": _("evaluated the effect on work"),
    }


#: How a state looks as a mark: its kind and its sign.
MARKS = {
    "asked": ("waiting", "pencil"),
    "planned": ("waiting", "pencil"),
    "submitted": ("waiting", "hourglass-split"),
    "approved": ("good", "check"),
    "returned": ("bad", "arrow-return-left"),
    "realised": ("good", "check2-all"),
    "evaluated": ("good", "clipboard-check"),
}


def rtl_refusals() -> dict[str, str]:
    """Why a step was not taken, and what to do."""
    return {
        "wrong_state": _("The plan has moved on meanwhile, or is not that far yet. Look at where it stands below."),
        "not_the_owner": _("Only the employee herself can do this."),
        "not_the_supervisor": _("Only the employee’s supervisor can do this."),
        "own_supervisor": _("Nobody decides about her own plan. Ask an administrator to enter your supervisor."),
        "no_items": _("The plan is empty. Write at least one activity."),
        "no_reason": _("Say what has to be changed, so that she can do it."),
        "no_effect": _("Say what has changed at work."),
        "no_evidence": _("Say what was done, and where it can be seen."),
    }


def reminders() -> dict[str, str]:
    """What somebody has to do about her own undertaking, or as a supervisor."""
    return {
        "submit": _("Write and submit the follow-up plan (RTL)"),
        "decide": _("Approve or return the follow-up plan (RTL)"),
        "realise": _("Realise the follow-up plan (RTL) and report it"),
        "evaluate": _("Evaluate the effect of the follow-up plan (RTL) on work"),
        "renew": _("Renew the certification before it ends"),
    }


def rtl_next(state: str) -> str:
    """What leads on from here, as the text of a link for the plan's owner."""
    texts = {
        "asked": _("Write the follow-up plan"),
        "planned": _("Go on with the follow-up plan"),
        "returned": _("Change the plan and submit it again"),
        "submitted": _("See the plan that waits for your supervisor"),
    }
    return str(texts.get(state, _("See the follow-up plan")))


# Certification ---------------------------------------------------------------------------------------------


def certification_standings() -> dict[str, str]:
    """Where a stage, or a whole certification, stands."""
    return {"open": _("in progress"), "competent": _("competent"), "not_yet": _("not yet competent")}


def certification_decisions() -> dict[str, str]:
    return {"competent": _("competent"), "not_yet": _("not yet competent")}


def certification_refusals() -> dict[str, str]:
    """Why a report of a certification does not count."""
    return {
        "unknown_stage": _("The scheme has no such stage."),
        "unknown_unit": _("The scheme has no such unit."),
        "before_its_turn": _("The stage before it was not passed at that time."),
        "self_assessed": _("Nobody assesses herself or records her own result."),
        "no_assessor": _("People decide about this stage: name the assessor."),
        "no_decision": _("Neither a decision nor a score to decide by was given."),
        "appeal_too_late": _("The days for an appeal are over."),
        "nothing_to_appeal": _("There is no decision to appeal against."),
        "wrong_source": _("It comes from a source that may not report this certification."),
        "impossible": _("Its time, score or day cannot be."),
    }


def certification_fates() -> dict[str, str]:
    """What became of a report that is not refused (`mappings.certification.FATES`)."""
    return {
        "evidence": _("It counts for the certification: where the candidate stands rests on it."),
        "replaced": _("It counted for the certification until something later took its place: another report of the "
                      "stage, a decision after an appeal, or a certificate."),
        "heard": _("The appeal was heard: the stage is judged again."),
    }  # fmt: skip


def certification_fate(code: str) -> str:
    """What became of a report: it counts, was replaced, is refused, or waits until the candidate is known."""
    unresolved = _("It would count for the certification, but nobody knows yet who the candidate is.")
    return str(({"unresolved": unresolved} | certification_refusals() | certification_fates())[code])


# Competencies ----------------------------------------------------------------------------------------------


def competency_standings() -> dict[str, str]:
    """Where a need stands."""
    return {
        "reached": _("reached"),
        "offered": _("offered"),
        "offered_below": _("offered below the level"),
        "not_offered": _("not offered"),
    }
