"""How scikit-learn's models are saved and loaded."""
