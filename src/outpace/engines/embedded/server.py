"""One llama.cpp server as a process: ``python -m outpace.engines.embedded.server``; the launcher starts it."""

from __future__ import annotations

import argparse
import os
import sys
import threading
from pathlib import Path
from typing import Any

from outpace.engines.embedded.child import LOOPBACK, end_with_parent, take_stdout, tell_address
from outpace.engines.embedded.model import model_alias

CONTEXT_TOKENS_PER_SLOT = 2048
LOG_WARNINGS = 2  # llama.cpp's scale: 1 errors, 2 warnings, 3 a line or more for every request


def main() -> None:
    """Load the model, serve it, and tell the parent where."""
    options = _options()
    to_parent = take_stdout()
    _pin_to_one_core(options.index)
    # Imported before the watch begins: on Windows a library that looks at stdin while it loads would wait for the
    # watching thread's read, for ever.
    import xllamacpp

    end_with_parent()
    try:
        # Holds the GIL until the model is loaded, so that the watch on the parent acts only after that.
        server = xllamacpp.Server(_parameters(options))
    except RuntimeError as error:
        sys.exit(f"llama.cpp did not start with {options.model.name}: {error}")
    except AttributeError as error:
        sys.exit(f"The installed xllamacpp is too old ({error}): pip install --upgrade xllamacpp")
    tell_address(to_parent, server.listening_address)
    threading.Event().wait()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="outpace.engines.embedded.server", description=__doc__)
    parser.add_argument("--model", type=Path, required=True, help="the .gguf file")
    parser.add_argument("--slots", type=int, required=True, help="requests that are worked on at once")
    parser.add_argument("--index", type=int, required=True, help="which of the allowed cores to use, from 0")
    parser.add_argument("--address", default=LOOPBACK, help="the address to listen on: the loopback's by default")
    parser.add_argument("--port", type=int, default=0, help="the port there: one of the kernel's choice by default")
    return parser.parse_args()


def _pin_to_one_core(index: int) -> None:
    """Give each engine a core of its own, so that two of them are two machines and not one shared unevenly."""
    if hasattr(os, "sched_setaffinity"):
        allowed = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, {allowed[index % len(allowed)]})


def _parameters(options: argparse.Namespace) -> Any:
    import xllamacpp

    model, slots = options.model, options.slots
    parameters = xllamacpp.CommonParams()
    parameters.model.path = str(model)
    parameters.model_alias = {model_alias(model)}
    parameters.hostnames = [options.address]
    parameters.port = options.port
    parameters.n_parallel = slots
    parameters.n_ctx = CONTEXT_TOKENS_PER_SLOT * slots
    parameters.cpuparams.n_threads = 1
    parameters.cpuparams_batch.n_threads = 1
    # One core is the promise: where the package was built for a GPU (Metal on macOS), all engines would share that.
    parameters.n_gpu_layers = 0
    parameters.no_kv_offload = True
    parameters.no_op_offload = True
    # Fitting loads the model twice, to ask for device memory that is not used.
    parameters.fit_params = False
    # A prompt seen before must cost as much as a new one, for clients too that cannot ask for it (routers).
    parameters.cache_prompt = False
    parameters.cache_ram_mib = 0
    parameters.ui = False
    parameters.verbosity = LOG_WARNINGS
    return parameters


if __name__ == "__main__":
    main()
