"""outpace: does a set of machines running LLM inference outpace its fastest one alone, and by how much?"""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("outpace")
except PackageNotFoundError:  # imported from a source tree that nothing installed
    __version__ = "0+unknown"

__all__ = ["__version__"]
