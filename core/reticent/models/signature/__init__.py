"""Signatures: what data a model takes and gives.

infer    from the data of a training, when the model is logged
schema   from an MLmodel file, and data made to suit it: `columns`, `tables`, `arrays`, `params`, `conform`, `lossless`
kinds    the types of values, as signatures name them
tensors  arrays and tensors of any framework, told by their types
"""
