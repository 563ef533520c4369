"""TensorFlow: modules and graphs that are saved as SavedModel."""
