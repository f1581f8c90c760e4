"""Golden cases: small TensorFlow 1 programs with what TensorFlow answers to them."""
