"""Fine-tuning: losses, optimizer, step and loop."""
