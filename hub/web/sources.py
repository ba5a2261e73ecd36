"""What the documents that come with the hub say of their sources, in the reader's language.

Such a document is one text, frozen by its digest, and its references are in English. A document that the ministry adds
speaks as whoever wrote it; what it says is shown as it is.
"""

from __future__ import annotations

from flask_babel import gettext
from flask_babel import lazy_gettext as _l

#: Here for the translators alone: `source` finds them by their text.
SHIPPED = (
    _l("BKN describes the stage; the number of assessors was not found"),
    _l("BKN: every participant draws up an RTL, which is monitored after the training"),
    _l("BPS conversion table"),
    _l("BPS conversion table (letter B-031/BPS/2600/02/2019)"),
    _l("BPS conversion table; another app agrees"),
    _l("BPS conversion table; four other apps agree"),
    _l("BPS conversion table; international daily cap 4 (BPS) or 3 (another app): conflict"),
    _l("BPS conversion table; national value also in a regional app"),
    _l("BPS conversion table; national value in two regional apps"),
    _l("BPS conversion table; three other apps agree"),
    _l("BPS conversion table; three other apps agree on 20"),
    _l("BPS conversion table; two other apps agree"),
    _l("BPS conversion table; two regional apps agree"),
    _l("LAN, Antologi Bangkom ASN p. 418, quoting Perlan 10/2018"),
    _l("Not found in any text"),
    _l("Not found in any text: 70 %"),
    _l("Not found in any text: JP stated by a programme or certificate is not capped"),
    _l("Not found in any text: a double claim earns once"),
    _l("Not found in any text: a quarter of a year, in which the stages can be taken again"),
    _l("Not found in any text: a session abroad, though valued by day, counts as one of the month's sessions"),
    _l("Not found in any text: hundredths of JP are rounded down for each event, before caps"),
    _l("Not found in any text: the 20 % for learning abroad is added before a daily cap cuts"),
    _l("Not found in any text: the plan is handed in within a month of the course"),
    _l("Not found in any text: the supervisor approves or returns within two weeks"),
    _l("One regional rule book (second-hand) lets the JP stated on the certificate win"),
    _l("PP 11/2017 Pasal 203 ayat (4) jo. PP 17/2020: PNS at least 20 JP a year"),
    _l("PP 49/2018, Peraturan LAN 15/2020: PPPK 24 JP; read by some as ceiling, by others as floor"),
    _l("Peraturan BKN 7/2020: a panel; its size was not found"),
    _l("Peraturan BKN 7/2020; BKN describes the three stages; thresholds were not found"),
    _l("Peraturan LAN 5/2018: 1 JP is 45 minutes"),
    _l("Permendikdasmen 6/2025 Pasal 6 (second-hand): PNS at least 30 JP a year"),
    _l("Permendikdasmen 6/2025 Pasal 6 (second-hand): PPPK 24 JP a contract year; counted by calendar year"),
    _l("Usual practice: evaluated 3 to 12 months after, by alumni and supervisor"),
    _l("no conversion found"),
    _l("one app only"),
)


def source(reference: str) -> str:
    """A reference of a policy, a target or a scheme, as the reader is told it."""
    return str(gettext(reference)) if reference else ""
