"""Models in MLmodel form, which MLflow loads too.

    stage    on the training thread: a snapshot of the model in the run's staging, and what will be said of it
    publish  in the background or in a later process: MLmodel and environment files around it, all of it sealed
    load     what was published, if each file still has the checksum that it was published with

What a framework's models need is a `Flavor`, which comes with its integration.
"""

from reticent.models.flavor import Flavor, find, register
from reticent.models.load import load_model
from reticent.models.stage import stage

__all__ = ["Flavor", "find", "load_model", "register", "stage"]
