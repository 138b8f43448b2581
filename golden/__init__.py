"""What every bit must be: the NumPy reference of formats, bit planes, dot products and accumulators."""
