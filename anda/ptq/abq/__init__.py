"""ABQ: learnt distribution correction for models with weights and activations of any few bits."""
