"""Loads outpace's plugin for this repository."""

pytest_plugins = ["outpace.plugin"]
