"""``make translations``: what the pages say, collected into the catalogues of each language, for translating.

pybabel's own update would rewrite their heads with dates and placeholders, or, told to leave heads out, lose the plural
forms with them.
"""

from __future__ import annotations

from pathlib import Path

from babel.messages import extract
from babel.messages.catalog import Catalog
from babel.messages.frontend import parse_mapping_cfg
from babel.messages.pofile import read_po, write_po

ROOT = Path(__file__).parents[1]


def collect() -> Catalog:
    """Every message of code and templates, with the files that say it."""
    with (ROOT / "config" / "babel.cfg").open() as file:
        methods, options = parse_mapping_cfg(file)
    keywords = extract.DEFAULT_KEYWORDS | {"lazy_gettext": None, "_l": None}
    template = Catalog()
    for file_name, line, message, _comments, context in extract.extract_from_dir(
        ROOT / "hub", methods, options, keywords=keywords
    ):
        template.add(message, None, [(f"hub/{file_name}", line)], context=context)
    return template


def update(path: Path, template: Catalog) -> None:
    """Bring one catalogue in line: new messages are empty in it, and what nobody says any more is gone."""
    head, _blank, _messages = path.read_text("utf-8").partition("\n\n")
    with path.open("rb") as file:
        known = read_po(file, locale=path.parts[-3])
    known.update(template, no_fuzzy_matching=True)
    with path.open("wb") as file:
        file.write(f"{head}\n\n".encode())
        write_po(file, known, width=0, omit_header=True, ignore_obsolete=True, include_lineno=False)


if __name__ == "__main__":
    found = collect()
    for each in sorted((ROOT / "hub" / "translations").glob("*/LC_MESSAGES/messages.po")):
        update(each, found)
