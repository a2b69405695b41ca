"""The work: prompts, in their order, with the settings under which every host answers them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from outpace.ground.errors import PromptsError
from outpace.workload import json_lines

DEFAULT_PROMPTS = (
    "Name three risks of moving a small company's mail server to a new provider.",
    "Explain in two sentences why leaves change colour in autumn.",
    "List four questions to ask before renting an apartment.",
    "Summarise the water cycle for a ten-year-old.",
    "Give one argument for and one against remote work.",
    "Describe how a bicycle stays upright while moving.",
    "Suggest three names for a community garden and say why.",
    "What should a beginner know before running a first marathon?",
)


@dataclass(frozen=True, slots=True)
class Prompt:
    """One sub-prompt; ``index`` is its place in the workload, from 0.

    It is due ``due_ms`` after the start of a run: in a batch all are due at 0. ``max_tokens`` limits its answer where
    that differs from the workload's limit. ``tokens`` is how many it was made to have, None where a person wrote it.
    """

    index: int
    text: str
    due_ms: float = 0.0
    max_tokens: int | None = None
    tokens: int | None = None


@dataclass(frozen=True)
class Generation:
    """How every host is to generate: at most ``max_tokens`` tokens a prompt, sampled alike everywhere."""

    max_tokens: int = 32
    temperature: float = 0.0
    seed: int = 7


@dataclass(frozen=True)
class Workload:
    """The ordered prompts and how they are to be answered."""

    prompts: tuple[Prompt, ...]
    generation: Generation

    @property
    def sha256(self) -> str:
        """Digest (hexadecimal) of the prompts' texts in their order: equal work has an equal digest.

        Where prompts are due at times, or have limits of their own, these count too.
        """
        texts: list[object] = [prompt.text for prompt in self.prompts]
        if any(prompt.due_ms or prompt.max_tokens is not None for prompt in self.prompts):
            texts = [[prompt.text, prompt.due_ms, prompt.max_tokens] for prompt in self.prompts]
        return hashlib.sha256(json.dumps(texts, ensure_ascii=True).encode()).hexdigest()


def workload(texts: Iterable[str] = DEFAULT_PROMPTS, generation: Generation | None = None) -> Workload:
    """Make a workload of ``texts`` in their order.

    Raises ``PromptsError`` if there is none.
    """
    prompts = tuple(Prompt(index, text) for index, text in enumerate(texts))
    if not prompts:
        raise PromptsError("There is no prompt to send: a workload needs at least one.")
    return Workload(prompts, generation or Generation())


def load(path: Path) -> list[str]:
    """Read the texts of a prompts file, in their order.

    A file that ends in ``.json`` is a list of strings, or an object whose ``prompts`` is one; one that ends in
    ``.jsonl`` or ``.ndjson`` is JSON Lines. Any other file is UTF-8 text with one prompt a line; blank lines are passed
    over. Raises ``PromptsError`` that says what is wrong and where.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise PromptsError(f"The prompts file {path} cannot be read: {error.strerror or error}.") from error
    except UnicodeDecodeError as error:
        raise PromptsError(
            f"The prompts file {path} is not UTF-8: byte {error.object[error.start]:#04x} at offset {error.start} "
            "begins no character. Save it as UTF-8 and try again."
        ) from error
    texts = [text for text in _texts(path, text) if text.strip()]
    if not texts:
        raise PromptsError(f"The prompts file {path} holds no prompt: write one a line, or a JSON list of strings.")
    return texts


def _texts(path: Path, text: str) -> list[str]:
    suffix = path.suffix.lower()
    if suffix == ".json":
        return _from_json(path, text)
    if suffix in json_lines.SUFFIXES:
        return json_lines.texts(text, f"the prompts file {path}")
    lines = text.splitlines()
    if json_lines.looks_like([line for line in lines if line.strip()]):
        raise PromptsError(
            f"Each line of the prompts file {path} is a JSON object. Name it {path.stem}.jsonl to have the prompt in "
            "each line sent; to have the lines sent as they are, write them as strings of a .json list."
        )
    return lines


def _from_json(path: Path, text: str) -> list[str]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise PromptsError(f"The prompts file {path} is not JSON: {error}.") from error
    if isinstance(found, dict):
        found = found.get("prompts")
    if not isinstance(found, list):
        raise PromptsError(
            f'The prompts file {path} must hold a JSON list of strings, or an object with such a list under "prompts".'
        )
    for index, item in enumerate(found):
        if not isinstance(item, str):
            raise PromptsError(f"In the prompts file {path}, entry {index} is {json.dumps(item)[:60]}, not a string.")
        if any("\ud800" <= character <= "\udfff" for character in item):
            raise PromptsError(f"In the prompts file {path}, entry {index} holds half of a surrogate pair.")
    return found
