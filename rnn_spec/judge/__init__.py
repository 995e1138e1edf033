"""Observation against Expectation."""
