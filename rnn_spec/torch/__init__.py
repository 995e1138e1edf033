"""All that runs inside torch, and torch as a subject; what another Python runs is in Python 3.6 syntax."""
