"""Real language models: weights and tokenizer from GGUF, forward pass, captured activations."""
