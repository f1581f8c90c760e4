"""Executors: what runs a step over time below ``dynrnn.scan``."""
