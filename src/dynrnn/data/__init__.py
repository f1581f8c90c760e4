"""Small real data sets for examples and their readers. Numpy only: nothing here knows of torch or of TensorFlow."""
