"""Real faults on real parts; `make soak` runs them for an hour."""
