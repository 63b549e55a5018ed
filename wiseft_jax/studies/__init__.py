"""Studies: what can be asked of a trained run, and of many runs."""
