"""From received bytes to what is stored: parse, then prepare. Pure; no clock, no database.

`parse` is strict about JSON, `prepare` about xAPI. What comes out holds the accepted text but for the one thing that
is not known yet: `stored`, which is read off the sequence number that the write takes.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import blake2b
from typing import Any, NamedTuple
from uuid import UUID

import orjson

from lrs import agents, formats, index
from lrs.errors import MOST_PROBLEMS, Invalid, Problem, TooMuch
from lrs.jsontext import Place, elements, members, parse_json
from lrs.sequence import stored_at, stored_text
from lrs.validate import VOIDED, validate

#: A batch is one transaction, and is held in memory (about 5 KB for each of its statements) until it has ended.
MOST_AT_ONCE = 10_000
#: Each agent and activity of a statement is a row of the index, and is looked for when it is voided.
MOST_KEYS = 20_000


@dataclass(frozen=True, slots=True)
class Writer:
    """Who stores; always from the credential, never from the body.

    ``authority`` is an Agent, or the two-member Group of OAuth. ``owner`` is the connector's id, None for the hub
    itself and for a credential with no connector. ``origin`` says how the statement came: "credential:7",
    "launch:<uuid>", "score:<id>", "run:<id>", "hub:<what>". Without ``may_define`` (scope ``define``) what its
    statements say of activities and agents stays in those statements and does not become what is known of them.
    """

    authority: Mapping[str, Any]
    owner: int | None
    origin: str
    may_void_any: bool = False
    may_define: bool = True


class Parsed(NamedTuple):
    """A body that is one statement or an array of them, each as it is and as it was written."""

    is_batch: bool
    statements: tuple[Any, ...]
    texts: tuple[str, ...]


class Prepared(NamedTuple):
    """A valid statement, ready to be stored. ``seq`` is 0 until it was."""

    id: UUID
    statement: Mapping[str, Any]
    writer: Writer
    text: bytes
    digest: int
    keys: index.Keys
    extra: tuple[int, ...]
    target: UUID | None
    seq: int = 0

    @property
    def actor_key(self) -> int:
        return self.keys.actor

    @property
    def is_voiding(self) -> bool:
        return bool(self.statement["verb"]["id"] == VOIDED)

    @property
    def stored(self) -> datetime:
        """When it was stored, to the millisecond."""
        return stored_at(self.seq)

    @property
    def payload(self) -> bytes:
        """The accepted bytes, which never change after this."""
        return self.text.replace(STORED, stored_text(self.seq))


def parse(body: bytes) -> Parsed:
    """Strict JSON; `Malformed` says what is wrong with it, `TooMuch` that it is a batch beyond `MOST_AT_ONCE`."""
    value, text = parse_json(body), body.decode().strip()
    if type(value) is not list:
        return Parsed(False, (value,), (text,))
    if len(value) > MOST_AT_ONCE:
        raise TooMuch(f"The batch has {len(value)} statements; send at most {MOST_AT_ONCE} in one request")
    return Parsed(True, tuple(value), tuple([text[start:end] for start, end in elements(text)]))


def prepare(
    parsed: Parsed,
    *,
    version: str,
    writer: Writer,
    new_id: Callable[[], UUID],
    extra_keys: Callable[[Mapping[str, Any]], Iterable[str]] | None = None,
) -> tuple[Prepared, ...]:
    """The statements in the order received, or `Invalid` with every problem of every one of them, or `TooMuch` where
    one has more than `MOST_KEYS`.

    ``version`` is the negotiated one of the request. ``extra_keys`` gives further keys of the object to index.
    """
    problems: list[Problem] = []
    for position, statement in enumerate(parsed.statements):
        path = f"statements[{position}]" if parsed.is_batch else "statement"
        problems += validate(statement, version=version, path=path)
        if len(problems) >= MOST_PROBLEMS:
            break
    if not problems:
        problems = _repeated_ids(parsed)
    if problems:
        raise Invalid(problems)
    authority = orjson.dumps(writer.authority).decode()
    prepared = tuple(
        [
            _prepare(text, statement, version, writer, authority, new_id, extra_keys)
            for text, statement in zip(parsed.texts, parsed.statements, strict=True)
        ]
    )
    for each in prepared:
        if len(each.keys.others) > MOST_KEYS:
            raise TooMuch(f"Statement {each.id} names more than {MOST_KEYS:,} agents and activities. Send several.")
    return prepared


def _repeated_ids(parsed: Parsed) -> list[Problem]:
    """A repeated id inside one batch is refused in both versions (xAPI 2.0 4.1.6.1)."""
    if len(parsed.statements) < 2:
        return []
    ids = [each["id"].lower() for each in parsed.statements if "id" in each]
    if len(set(ids)) == len(ids):
        return []
    counts = Counter(ids)
    return [
        Problem(f"statements[{position}].id", "xAPI 2.0 4.1.6.1", "stands more than once in this batch")
        for position, each in enumerate(parsed.statements)
        if "id" in each and counts[each["id"].lower()] > 1
    ]


def _prepare(
    text: str,
    statement: Mapping[str, Any],
    version: str,
    writer: Writer,
    authority: str,
    new_id: Callable[[], UUID],
    extra_keys: Callable[[Mapping[str, Any]], Iterable[str]] | None,
) -> Prepared:
    statement_id = UUID(statement["id"]) if "id" in statement else new_id()
    target = statement["object"]
    return Prepared(
        id=statement_id,
        statement=statement,
        writer=writer,
        text=_splice(
            text,
            statement,
            _set_by_lrs(statement, version, statement_id, authority),
            _timestamp_of_inner(target, version),
        ),
        digest=digest(statement),
        keys=index.keys_of(statement, writer.authority),
        extra=tuple(index.extra_key(key) for key in extra_keys(statement)) if extra_keys else (),
        target=UUID(target["id"]) if target.get("objectType") == "StatementRef" else None,
    )


# Splicing ----------------------------------------------------------------------------------------------

#: Stands where `stored` goes. JSON text holds no control character, so it can be nothing else.
STORED = b"\x00"
_STORED = f'"{STORED.decode()}"'


def _set_by_lrs(statement: Mapping[str, Any], version: str, statement_id: UUID, authority: str) -> dict[str, str]:
    """The members that an LRS sets or normalizes, as JSON (Data 2.3.1)."""
    values = {"stored": _STORED, "authority": authority}
    if "id" not in statement:
        values["id"] = f'"{statement_id}"'
    if "timestamp" not in statement:
        values["timestamp"] = _STORED
    elif version.startswith("2"):
        in_utc = _in_utc(statement["timestamp"])
        if in_utc is not None:
            values["timestamp"] = f'"{in_utc}"'
    if "version" not in statement:
        values["version"] = '"2.0.0"' if version.startswith("2") else '"1.0.0"'
    return values


def _timestamp_of_inner(target: Mapping[str, Any], version: str) -> str | None:
    """What the timestamp of a SubStatement becomes: in 2.0 each one is in UTC (4.2.7)."""
    if version.startswith("2") and target.get("objectType") == "SubStatement" and "timestamp" in target:
        return _in_utc(target["timestamp"])
    return None


def _splice(text: str, statement: Mapping[str, Any], values: Mapping[str, str], inner: str | None) -> bytes:
    """The received text with these members: in their places where they were sent, else at the end. ``inner`` is the
    timestamp of a SubStatement, where it is to be another."""
    added = [f',"{name}":{value}' for name, value in values.items() if name not in statement]
    if len(added) < len(values) or inner is not None or _has_singles(statement):
        places = members(text)
        edits = [(*places[name], value) for name, value in values.items() if name in places]
        edits += [(start, end, f"[{text[start:end]}]") for start, end in _singles(text, places)]
        if inner is not None:
            edits.append((*members(text, places["object"].start)["timestamp"], f'"{inner}"'))
        for start, end, value in sorted(edits, reverse=True):
            text = text[:start] + value + text[end:]
    return f"{text[:-1]}{''.join(added)}}}".encode()


def _has_singles(statement: Mapping[str, Any]) -> bool:
    """Whether a context activity stands without its array, which is given back as one (Data 2.4.6.2)."""
    listed = statement.get("context", {}).get("contextActivities", {})
    target = statement["object"]
    return any(type(each) is dict for each in listed.values()) or (
        target.get("objectType") == "SubStatement" and _has_singles(target)
    )


def _singles(text: str, places: Mapping[str, Place]) -> Iterator[Place]:
    """Where the context activities stand that have no array, those of a SubStatement too."""
    if "context" in places:
        context = members(text, places["context"].start)
        if "contextActivities" in context:
            listed = members(text, context["contextActivities"].start)
            yield from (place for place in listed.values() if text[place.start] == "{")
    if "object" in places:
        yield from _singles(text, members(text, places["object"].start))


def _in_utc(timestamp: str) -> str | None:
    """The same moment in UTC with every digit of its fraction; None where it stands in UTC already (2.0 4.2.7)."""
    if timestamp[-1] in "Zz" or timestamp.endswith("+00:00"):
        return None
    moment = datetime.fromisoformat(timestamp.upper()).astimezone(UTC)
    dot = timestamp.find(".")
    fraction = timestamp[dot : timestamp.index("+" if "+" in timestamp else "-", dot)] if dot > 0 else ""
    return moment.isoformat()[:19] + fraction + "Z"


# Equality ----------------------------------------------------------------------------------------------

_HUNDREDTHS = re.compile(r"([.,][0-9]{2})[0-9]+S$")
_SET_BY_LRS = frozenset(("id", "stored", "timestamp", "authority", "version"))
#: What may stand alone, and is given back as a list (Data 2.4.6.2).
_LISTED = frozenset(("parent", "grouping", "category", "other"))
#: Texts that may be spelled in more than one way.
_SPELLED = frozenset(("timestamp", "registration", "sha2", "mbox_sha1sum", "duration", "mbox"))


def digest(statement: Mapping[str, Any]) -> int:
    """Equal for statements that xAPI calls equal (Data 2.3.1), their timestamps aside.

    Left out is what an LRS sets, what is "not part of the statement" (definitions, the verb's display), the
    order of keys and of a group's members, and a number's spelling.
    """
    plain = {name: _comparable(name, value) for name, value in statement.items() if name not in _SET_BY_LRS}
    text = orjson.dumps(plain, option=orjson.OPT_SORT_KEYS)
    # Eight bytes: two statements are compared only where they have the same id.
    return int.from_bytes(blake2b(text, digest_size=8).digest(), "big", signed=True)


def _comparable(name: str, value: Any) -> Any:
    if type(value) is str:
        return _comparable_text(name, value) if name in _SPELLED else value
    if type(value) is dict:
        if name == "extensions":
            return _numbers(value)
        hidden = "display" if name == "verb" else "definition"
        plain = {
            # Most are texts that are compared as they stand: no call for them.
            key: member if type(member) is str and key not in _SPELLED else _comparable(key, member)
            for key, member in value.items()
            if key != hidden
        }
        return [plain] if name in _LISTED else plain
    if type(value) is list:
        listed = [_comparable("", each) for each in value]
        if name == "member":
            listed.sort(key=lambda member: orjson.dumps(member, option=orjson.OPT_SORT_KEYS))
        return listed
    return _numbers(value) if type(value) is float else value


def _comparable_text(name: str, text: str) -> str:
    if name == "timestamp":
        moment = formats.parse_timestamp(text)
        return text if moment is None else moment.isoformat()
    if name in ("registration", "sha2", "mbox_sha1sum"):
        return text.lower()
    if name == "duration":
        # "Any precision beyond 0.01 second shall not be included in the comparison" (xAPI 2.0 4.2.7).
        return _HUNDREDTHS.sub(r"\1S", text)
    who = agents.identifier({"mbox": text})
    return who.name if who else text


def _numbers(value: Any) -> Any:
    if type(value) is dict:
        return {key: _numbers(member) for key, member in value.items()}
    if type(value) is list:
        return [_numbers(each) for each in value]
    if type(value) is float and value.is_integer() and abs(value) < 2**53:
        return int(value)
    return value


def same_timestamp(new: Prepared, stored_payload: bytes) -> bool:
    """Whether a repeated statement says the same time as the stored one, or one of them left it to the LRS."""
    if "timestamp" not in new.statement:
        return True
    stored = orjson.loads(stored_payload)
    if stored["timestamp"] == stored["stored"]:
        return True
    return formats.parse_timestamp(stored["timestamp"]) == formats.parse_timestamp(new.statement["timestamp"])
