"""How long a test waits for what must come before it calls it hung: a busy machine says nothing about the code."""

PATIENCE_S = 900.0
