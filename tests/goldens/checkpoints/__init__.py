"""Checkpoints made by TensorFlow; see make.py."""
