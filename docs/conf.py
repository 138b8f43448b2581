"""Sphinx configuration: `make docs` builds the pages into build/docs."""

from importlib.metadata import version as installed

project = "anda"
author = "the anda contributors"
release = installed("anda")
extensions = ["myst_parser"]
html_theme = "furo"
exclude_patterns = ["data"]
