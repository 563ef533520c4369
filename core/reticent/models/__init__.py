"""Models in MLmodel form, which MLflow loads too.

    stage    on the training thread: a snapshot of the model in the run's staging, and what will be said of it
    filing   what happens then, in the background:
    finish   by another process: formats that are safe to open, of what was saved in a hurry
    publish  in the background or in a later process: MLmodel and environment files around it, all of it sealed
    trial    by another process: whether what was published loads, and predicts the same
    load     what was published, if each file still has the checksum that it was published with
    pyfunc   the same as a function, for data that suits the signature

What a framework's models need is a `Flavor`, which comes with its integration.
"""

from reticent.models.flavor import Flavor, find, register
from reticent.models.load import load_model
from reticent.models.pyfunc import PyFunc, load_pyfunc
from reticent.models.stage import stage

__all__ = ["Flavor", "PyFunc", "find", "load_model", "load_pyfunc", "register", "stage"]
