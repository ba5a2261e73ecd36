"""Policies are law in a file: every mistake in one is named with its line, and a released one never changes."""

from __future__ import annotations

import re
from contextlib import suppress
from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mappings import shipped
from mappings.policy import OPTIONS, Policy, PolicyError, load_policy

#: The digests of released policies. A new number is a new document; these lines are only ever added.
RELEASED = {"perlan-10-2018": "4f84e12f269947b6193e111837c1c8daddc7f197054eb2693cad04c701bac62b"}


def test_released_policies_never_change() -> None:
    assert {name: shipped.policy(name).digest for name in shipped.POLICIES} == RELEASED


def test_it_has_all_25_forms(policy: Policy) -> None:
    codes = [f"KL{n:02}" for n in range(1, 13)] + [f"NKL{n:02}" for n in range(1, 14)]

    assert list(policy.forms) == codes
    assert len({form.siasn_jenis_diklat_id for form in policy.forms.values()}) == 25


def test_every_number_says_where_it_is_from_and_how_sure_it_is(policy: Policy) -> None:
    for form in policy.forms.values():
        for rule in form.rules.values():
            assert rule.source.reference
            assert rule.source.confirmed in ("yes", "partly", "no", "own")
    assert {option.source.confirmed for option in policy.options.values()} <= {"own", "partly"}
    assert policy.options.keys() == OPTIONS.keys()


def test_only_one_value_was_read_in_a_text_naming_the_regulation(policy: Policy) -> None:
    assert [code for code, form in policy.forms.items() if form.source.confirmed == "yes"] == ["NKL06"]
    assert [code for code, form in policy.forms.items() if form.source.confirmed == "no"] == ["KL12", "NKL13"]


TEXT = shipped.policy_text("perlan-10-2018")


def changed(old: str, new: str) -> str:
    assert old in TEXT
    return TEXT.replace(old, new, 1)


JP_OF_KL06 = "jp: [{from: 2019-01-01, value: 4}]"


def jp_of_kl06(periods: str) -> str:
    return changed(JP_OF_KL06, f"jp: [{periods}]")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (changed("  - {from: 2019-01-01, value: 45}", "  - {from: 2019-13-01, value: 45}"), "2019-13-01 is not a date"),
        (changed("value: 45}", "value: 0}"), "0 is not between 1 and 1440"),
        (changed("value: 45}", "value: soon}"), "soon is not a whole number"),
        (changed("rule: per_day", "rule: per_week"), "per_week is not one of"),
        (changed("{rule: none}", "{rule: per_day}"), "rule per_day needs jp"),
        (changed("{rule: none}", "{rule: none, jp: [{from: 2019-01-01, value: 4}]}"), "remove jp"),
        (
            changed("{rule: none}", "{rule: none, bonus_percent: [{from: 2019-01-01, value: 4}]}"),
            "remove bonus_percent",
        ),
        (changed("confirmed: partly", "confirmed: maybe"), "maybe is not one of"),
        (changed("    confirmed: partly\n", ""), "confirmed is missing"),
        (changed("forms: [NKL03]", "forms: [NKL99]"), "NKL99 is not one of"),
        (changed("per: day", "per: week"), "week is not one of"),
        (changed("    value: converted", "    value: perhaps"), "perhaps is not one of all, converted"),
        (changed("  rounding:", "  round_up:"), "round_up is not known here"),
        (changed("  KL02:", "  KL01:"), "KL01 is there twice; the first is in line"),
        (changed("from: 2019-01-01\n", ""), "from is missing"),
        (changed("evidence: [completed]", "evidence: [applause]"), "applause is not one of"),
        (jp_of_kl06(""), "no value"),
        (jp_of_kl06("{from: 2020-01-01, value: 4}"), "gap: no value from 2019-01-01 to 2019-12-31"),
        (jp_of_kl06("{from: 2019-01-01, until: 2025-12-31, value: 4}"), "gap: no value from 2026-01-01 on"),
        (
            jp_of_kl06("{from: 2019-01-01, until: 2025-12-30, value: 4}, {from: 2026-01-01, value: 5}"),
            "gap: no value from 2025-12-31 to 2025-12-31",
        ),
        (
            jp_of_kl06("{from: 2019-01-01, until: 2026-01-01, value: 4}, {from: 2026-01-01, value: 5}"),
            "overlap: the value from 2019-01-01 holds until 2026-01-01",
        ),
        (jp_of_kl06("{from: 2019-01-01, value: 4}, {from: 2026-01-01, value: 5}"), "holds until open"),
        (jp_of_kl06("{from: 2019-01-01, until: 2018-01-01, value: 4}"), "ends on 2018-01-01, before it begins"),
        (jp_of_kl06("{from: 2019-01-01, value: 4.125}"), "not a number with at most two decimals"),
        (jp_of_kl06("{from: 2019-01-01, value: -4}"), "-4 is not between"),
        (jp_of_kl06("{from: 2019-01-01}"), "value is missing"),
    ],
)
def test_a_mistake_is_refused_with_its_line(text: str, says: str) -> None:
    with pytest.raises(PolicyError, match=re.escape(says)) as refused:
        load_policy(text)

    assert str(refused.value).startswith("Policy perlan-10-2018")
    # The line is where the change is, or where the mistake shows: inside the document, and said in the message.
    assert 1 <= refused.value.line <= text.count("\n") + 1
    assert f"(line {refused.value.line})" in str(refused.value)


def test_the_line_is_the_right_one() -> None:
    text = changed("value: 45}", "value: soon}")
    line = text[: text.index("soon")].count("\n") + 1

    with pytest.raises(PolicyError) as refused:
        load_policy(text)

    assert refused.value.line == line
    assert str(refused.value) == (
        f"Policy perlan-10-2018, minutes_per_jp.values[0].value (line {line}): soon is not a whole number."
    )


@pytest.mark.parametrize(
    "text", ["", "policy: [", "- a", "a: 1", "policy:", "policy: x\ntitle: 7", "\x00", "a: &b 1\nc: *b"]
)
def test_what_is_no_policy_is_refused(text: str) -> None:
    with pytest.raises(PolicyError):
        load_policy(text)


def test_a_new_number_holds_from_its_day() -> None:
    text = jp_of_kl06("{from: 2019-01-01, until: 2025-12-31, value: 4}, {from: 2026-01-01, value: 5}")

    rule = load_policy(text).rule("KL06", "national")

    assert rule is not None
    assert rule.jp is not None
    values = [rule.jp.find(day) for day in (date(2025, 12, 31), date(2026, 1, 1), date(2018, 12, 31))]
    assert [value.value if value else None for value in values] == [400, 500, None]


def test_a_policy_that_ends_needs_values_to_its_last_day_only() -> None:
    text = TEXT.replace("from: 2019-01-01\n", "from: 2019-01-01\nuntil: 2025-12-31\n", 1)
    text = text.replace(JP_OF_KL06, "jp: [{from: 2019-01-01, until: 2025-12-31, value: 4}]")

    assert load_policy(text).until == date(2025, 12, 31)


SMALL = """\
policy: small
title: {id: Kecil, en: Small}
from: 2019-01-01
minutes_per_jp: {reference: x, confirmed: own, values: [{from: 2019-01-01, value: 45}]}
forms:
  KL06:
    category: klasikal
    name: {id: Seminar, en: Seminar}
    unit: day
    reference: x
    confirmed: own
    national: {rule: per_day, jp: [{from: 2019-01-01, value: 4}]}
    international: {rule: none}
    siasn: {jenis_diklat_id: 9, jenis_kursus_sertipikat: P}
caps:
  day: {forms: [KL06], per: day, unit: jp, reference: x, confirmed: own, limit: [{from: 2019-01-01, value: 3}]}
options:
""" + "".join(f"  {name}: {{value: {choices[0]}, reference: x, confirmed: own}}\n" for name, choices in OPTIONS.items())


def test_a_small_policy_is_enough() -> None:
    assert load_policy(SMALL).forms["KL06"].evidence == ("completed",)


@settings(deadline=None)
@given(st.integers(0, len(SMALL)), st.integers(0, 12), st.text("abc 0129.-:,{}[]\n\"'#&*!|>%@`\x07", max_size=6))
def test_any_slip_of_the_pen_is_refused_or_read_and_never_breaks(at: int, cut: int, put: str) -> None:
    text = SMALL[:at] + put + SMALL[at + cut :]

    # Whatever else it would raise, the test fails with.
    with suppress(PolicyError):
        load_policy(text)


def test_a_bottomless_document_is_refused() -> None:
    with pytest.raises(PolicyError):
        load_policy("policy: x\na: " + "[" * 20_000)


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("policy: small", "policy: Perlan 10/2018", "a name has small letters"),
        ("from: 2019-01-01\n", "from: 2019-01-01\nuntil: 2018-12-31\n", "ends on 2018-12-31, before it begins"),
    ],
)
def test_a_wrong_name_or_span_is_refused(old: str, new: str, says: str) -> None:
    assert old in SMALL

    with pytest.raises(PolicyError, match=re.escape(says)):
        load_policy(SMALL.replace(old, new, 1))
