"""Plan a run before its devices are paid for: memory, FLOPs, collectives, time."""
