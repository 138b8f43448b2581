"""One cocotb bench for each component; `sim.verify` says which."""
