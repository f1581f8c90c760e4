"""Sequence to sequence: attention, decoders, losses."""
