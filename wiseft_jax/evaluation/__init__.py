"""Evaluation across alphas: sweep, stored predictions, selection."""
