"""Benchmarks: `vadray bench`. Each prints what it measured as JSON; none is timed in a test."""
