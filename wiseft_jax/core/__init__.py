"""Foundations that every part stands on; imports neither jax nor transformers by itself."""
