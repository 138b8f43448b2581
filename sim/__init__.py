"""Benches, bus agents, scoreboards, coverage and formal properties of the components in `hdl`."""
