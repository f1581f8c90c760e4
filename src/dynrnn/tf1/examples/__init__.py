"""``tensorflow.examples``: the part of it that programs import."""
