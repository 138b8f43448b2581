"""Accumulator-aware quantization beside Brevitas' AXE, and what else can be done with a narrow register."""
