"""The pytest side: marks, running a check, what is owed, launching."""
