"""Proofs about the hardware, for all inputs; `sim.formal` runs them."""
