"""The data part: sources, decoding, verification, splits and the pipeline."""
