"""Synthesis: area, timing and look-up tables from Yosys, for any Liberty library or FPGA family."""
