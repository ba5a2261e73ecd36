"""A paper as PDF, in Bahasa Indonesia or English: tagged for screen readers (PDF/UA-1), with a QR code to its page.

The layout is `hub/templates/transcript/transcript.typ`. What it says goes in as JSON and is never read as markup, so
a name or title with signs that mean something to the typesetter is only text. The typesetter sees that one folder,
has its own fonts, and fetches nothing. The same paper gives the same bytes.
"""

from __future__ import annotations

from datetime import datetime
from importlib import resources
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import orjson
import segno
import typst
from flask_babel import force_locale, format_date
from flask_babel import gettext as _

from hub.papers.transcripts import Paper
from hub.web import words
from hub.web.sources import source

LANGUAGES = ("id", "en")

#: What the typesetter's own fonts have: Latin with all its accents, Greek, Cyrillic, and common signs.
_PRINTABLE = ((0x20, 0x24F), (0x2B0, 0x2FF), (0x370, 0x3FF), (0x400, 0x45F), (0x1E00, 0x1EFF), (0x2010, 0x2027))


def render(paper: Paper, language: str, url: str, timezone: ZoneInfo) -> bytes:
    """The PDF of a paper; ``url`` is where it can be verified."""
    with force_locale(language):
        data = _content(paper, language, url, paper.issued_at.astimezone(timezone))
    folder = Path(str(resources.files("hub") / "templates" / "transcript"))
    return typst.compile(
        str(folder / "transcript.typ"),
        root=str(folder),
        ignore_system_fonts=True,
        sys_inputs={"data": orjson.dumps(data).decode()},
        # There are no packages, here or on the network.
        package_path=str(folder),
        package_cache_path=str(folder),
        timestamp=int(paper.issued_at.timestamp()),
        pdf_standards=["1.7", "ua-1"],
    )


def _content(paper: Paper, language: str, url: str, issued: datetime) -> dict[str, Any]:
    said = paper.said
    issued_on = format_date(issued.date(), "d MMMM yyyy", rebase=False)
    content = {
        "language": language,
        "title": _("Learning hours (JP) of %(year)s", year=str(said.year)),
        "issuer": "WKMB Hub · Wiyata Kinarya Merdeka Belajar",
        "asof": _("Transcript issued on %(day)s", day=issued_on),
        "code": paper.spoken_code,
        "url": url,
        "qr": qr_svg(url),
        "facts": [
            [_("Name"), said.name],
            ["NIP", " ".join(filter(None, (said.nip[:8], said.nip[8:14], said.nip[14:15], said.nip[15:])))],
            [_("Status"), said.status],
            [_("Unit"), said.unit],
            [_("Employer"), said.employer],
            [_("Policy"), f"{said.policy_title(language)} ({said.policy})"],
        ],
        "recognized": words.jp(said.recognized_centi),
        "balance": _balance(paper),
        "lines": [
            {
                "on": format_date(line.on, "d MMM yyyy", rebase=False),
                "title": line.title(language),
                "form": line.form_name(language),
                "jp": words.jp(line.centi_jp),
            }
            for line in said.lines
        ],
        "small": _("1 JP (jam pelajaran) is 45 minutes of learning.")
        + " "
        + _("Policy document: SHA-256 %(digest)s.", digest=said.policy_digest)
        + " "
        + _("Ledger: entry %(position)s, %(digest)s.", position=paper.position, digest=paper.digest.hex() or "–"),
        "words": {
            "code": _("Code"),
            "page": _("Page"),
            "qr": _("QR code of the page on which this transcript can be verified: %(url)s", url=url),
            "scan": _("Scan to verify"),
            "entries": _("Recognized learning"),
            "nothing": _("Nothing was recognized in this year so far."),
            "columns": [_("Date"), _("Course"), _("Form of learning"), "JP"],
            "total": _("Recognized in %(year)s", year=str(said.year)),
            "how": _("How to verify this transcript"),
            "check": _(
                "Scan the code or open the address below. The page says, from the ledger as it is at that moment, "
                "whether everything on this paper still stands. Trust the page at this address, not the paper alone:"
            ),
        },
    }
    printed: dict[str, Any] = printable(content)
    return printed | {"qr": content["qr"]}


def _balance(paper: Paper) -> str:
    said = paper.said
    if said.target_centi is None:
        return str(_("recognized in %(year)s", year=str(said.year)))
    target = words.jp(said.target_centi)
    if said.credited_centi != said.recognized_centi:
        return str(
            _(
                "recognized in %(year)s, of which %(credited)s JP count towards the %(target)s JP (%(source)s)",
                year=str(said.year), credited=words.jp(said.credited_centi), target=target,
                source=source(said.target_source),
            )
        )  # fmt: skip
    return str(
        _(
            "recognized in %(year)s; the obligation is %(target)s JP (%(source)s)",
            year=str(said.year), target=target, source=source(said.target_source),
        )
    )  # fmt: skip


def qr_svg(url: str) -> str:
    """The QR code of an address, readable when a quarter of it is damaged."""
    return segno.make(url, error="q", micro=False).svg_inline(scale=4, border=4, dark="#000", light="#fff")


def printable(value: Any) -> Any:
    """The same with "□" for every sign that the fonts lack: a paper with one strange sign is better than none."""
    if isinstance(value, str):
        return "".join(each if _is_printable(ord(each)) else "□" for each in value)
    if isinstance(value, dict):
        return {name: printable(member) for name, member in value.items()}
    return [printable(member) for member in value] if isinstance(value, list) else value


def _is_printable(number: int) -> bool:
    return any(low <= number <= high for low, high in _PRINTABLE) and not 0x7F <= number < 0xA0
