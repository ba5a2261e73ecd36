"""The documents that come with the hub. The only place of this package that reads anything: its own files."""

from __future__ import annotations

from importlib.resources import files

from mappings.certification import Scheme, load_scheme
from mappings.policy import Policy, load_policy
from mappings.rtl import FollowUp, load_follow_up
from mappings.targets import Targets, load_targets
from mappings.vocabulary import Vocabulary, load_vocabulary

#: Released policies, oldest first. Their digests are frozen by a test.
POLICIES = ("perlan-10-2018",)

#: Certification schemes.
SCHEMES = ("certification-bkn",)

#: Vocabularies, each with what it extends.
VOCABULARIES = ("default", "moodle", "asn-unggul", "bkn", "kms")
_EXTENDS = {"moodle": "default", "asn-unggul": "moodle", "bkn": "default", "kms": "default"}


def policy_text(name: str) -> str:
    return _text("policies", name)


def policy(name: str) -> Policy:
    return load_policy(policy_text(name))


def vocabulary(name: str) -> Vocabulary:
    """A shipped vocabulary, with what it extends."""
    base = _EXTENDS.get(name)
    return load_vocabulary(_text("vocabularies", name), base=vocabulary(base) if base else None)


def targets_text() -> str:
    return _text("policies", "targets")


def targets() -> Targets:
    return load_targets(targets_text())


def follow_up() -> FollowUp:
    return load_follow_up(_text("policies", "follow-up"))


def scheme_text(name: str) -> str:
    return _text("policies", name)


def scheme(name: str) -> Scheme:
    """A shipped certification scheme, such as ``certification-bkn``."""
    return load_scheme(scheme_text(name))


def _text(folder: str, name: str) -> str:
    return (files("mappings") / folder / f"{name}.yaml").read_text(encoding="utf-8")
