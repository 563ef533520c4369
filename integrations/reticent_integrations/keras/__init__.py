"""Keras 3, on whichever of its backends."""
