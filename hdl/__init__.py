"""What becomes silicon: Amaranth components checked bit for bit against `golden`."""
