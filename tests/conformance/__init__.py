"""The conformance suite: a module for each topic, for any subject."""
