"""Post-training quantization for accumulators that cannot overflow: solvers, budgets, certificates."""
