"""The name by which a conftest loads the suite: ``pytest_plugins = ["outpace.plugin"]``."""

pytest_plugins = ["outpace.suite.plugin", "outpace.suite.law"]
