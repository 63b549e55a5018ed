"""The CLIP part: loading, towers, prompts, zero-shot head, classifier, export, retrieval."""
