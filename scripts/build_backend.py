"""How the wheel is made: setuptools, after compiling the translations that the repository holds as text.

``python scripts/build_backend.py`` compiles them in the work tree (``make setup`` does that).
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from setuptools import build_meta
from setuptools.build_meta import (
    get_requires_for_build_editable,
    get_requires_for_build_sdist,
    get_requires_for_build_wheel,
    prepare_metadata_for_build_editable,
    prepare_metadata_for_build_wheel,
)

__all__ = [
    "build_editable",
    "build_sdist",
    "build_wheel",
    "compile_translations",
    "get_requires_for_build_editable",
    "get_requires_for_build_sdist",
    "get_requires_for_build_wheel",
    "prepare_metadata_for_build_editable",
    "prepare_metadata_for_build_wheel",
]

TRANSLATIONS = Path(__file__).parents[1] / "hub" / "translations"


def compile_translations(folder: Path = TRANSLATIONS) -> list[Path]:
    """Write ``messages.mo`` beside every ``messages.po`` that is newer; gives the written paths."""
    written = []
    for source in sorted(folder.glob("*/LC_MESSAGES/*.po")):
        target = source.with_suffix(".mo")
        if target.exists() and target.stat().st_mtime_ns > source.stat().st_mtime_ns:
            continue
        with source.open("rb") as file:
            catalog = read_po(file, locale=source.parts[-3], abort_invalid=True)
        with target.open("wb") as file:
            write_mo(file, catalog)
        written.append(target)
    return written


def build_wheel(*args: Any, **kwargs: Any) -> str:
    """A wheel with compiled translations in it."""
    compile_translations()
    return str(build_meta.build_wheel(*args, **kwargs))


def build_editable(*args: Any, **kwargs: Any) -> str:
    """A wheel that points at this work tree, whose translations are compiled."""
    compile_translations()
    return str(build_meta.build_editable(*args, **kwargs))


def build_sdist(*args: Any, **kwargs: Any) -> str:
    """A source archive; translations go into it as text."""
    return str(build_meta.build_sdist(*args, **kwargs))


if __name__ == "__main__":
    for path in compile_translations():
        sys.stdout.write(f"compiled {path}\n")
