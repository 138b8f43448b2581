"""Replays: what each element sees and must answer while it computes real data."""
