"""The corpus, and the canary that would show that any of it was executed."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path

CORPUS = Path(__file__).parent / "corpus"
_SECRET = "canary-of-a-file-that-nobody-may-read"
_PRODUCT = str(20260 * 7919)
"""What the corpus multiplies; no other text of a run has it."""


class Canary:
    """A file that each executed command adds a line to, a file whose content may appear nowhere, a product likewise."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "canary"
        self.file.touch()
        self._secret = folder / "secret"
        self._secret.write_text(_SECRET)

    def texts(self, *names: str) -> list[str]:
        """The texts of these files of the corpus (all, when none is named), aimed at this canary."""
        wanted = names or sorted(path.stem for path in CORPUS.glob("*.json"))
        return [self._aimed(text, f"{name}-{number}") for name in wanted for number, text in enumerate(_read(name))]

    @property
    def executed(self) -> set[str]:
        """Which texts of the corpus were: `running-0` is the first of `running.json`."""
        return set(self.file.read_text().split())

    def gave_itself_away_in(self, files: Iterable[Path]) -> list[str]:
        """Names of the `files` that hold what only an executed text could have put there."""
        signs = (_SECRET.encode(), _PRODUCT.encode())
        return [path.name for path in files if path.is_file() and any(sign in path.read_bytes() for sign in signs)]

    def _aimed(self, text: str, name: str) -> str:
        aims = {"TRIP": f"echo {name} >> {self.file}", "CANARY": str(self.file), "SECRET": str(self._secret)}
        for word, aim in aims.items():
            text = text.replace(word, aim)
        return text


def _read(name: str) -> list[str]:
    texts: list[str] = json.loads((CORPUS / f"{name}.json").read_text())["texts"]
    return texts


def paired(texts: Sequence[str], distance: int) -> dict[str, str]:
    """Every text as a name, with the one `distance` further on as its value: each is both."""
    return {text: texts[(number + distance) % len(texts)] for number, text in enumerate(texts)}


def cleaned(text: str) -> str:
    """As it arrives: NUL, which no program can be given, is replaced."""
    return text.replace("\0", "\ufffd")
