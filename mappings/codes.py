"""Every code that recognition shows to people, by family: what the web layer must translate, and nothing else.

A view says ``check.cap_per_day`` or ``reason.wrong_source`` and fills in the values that came with the code. A test of
the translations goes through `CODES`.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from mappings import certification, competencies, course, dated, evaluate, facts, policy, rtl, rules, targets

CODES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "reason": facts.REASONS,
        "waiting": evaluate.WAITING,
        "outcome": evaluate.OUTCOMES_OF_A_FACT,
        "check": rules.CHECKS,
        "check_outcome": rules.OUTCOMES,
        "proof": policy.PROOFS,
        "rule": policy.RULES,
        "scope": policy.SCOPES,
        "repeat": course.REPEATS,
        "confirmed": dated.CONFIRMED,
        "option": tuple(policy.OPTIONS),
        "option_choice": tuple(f"{name}.{choice}" for name, choices in policy.OPTIONS.items() for choice in choices),
        "course_problem": course.PROBLEMS,
        "target_bound": targets.BOUNDS,
        "target_period": targets.PERIODS,
        "rtl_state": rtl.STATES,
        "rtl_refusal": rtl.REFUSALS,
        "rtl_reminder": rtl.REMINDERS,
        "certification_standing": certification.STANDINGS,
        "certification_decision": certification.DECISIONS,
        "certification_method": certification.METHODS,
        "certification_refusal": certification.REFUSALS,
        "certification_fate": certification.FATES,
        "competency_standing": competencies.STANDINGS,
    }
)
