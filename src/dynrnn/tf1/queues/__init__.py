"""TensorFlow 1's input queues: threads fill them, the training step takes from them."""
