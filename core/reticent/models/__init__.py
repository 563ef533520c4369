"""Models in MLmodel form, which MLflow loads too: staged on the training thread, published from files alone, loaded after a check.

    stage    a snapshot of the model and what will be said of it, in the run's staging; the only part that knows the model
    publish  MLmodel, requirements and environment files around it, all of it sealed; needs neither the framework nor the process
    load     what was published, if each file still has the checksum that it was published with

What a framework's models need is a `Flavor`, which comes with its integration.
"""

from reticent.models.flavor import Flavor, find, register
from reticent.models.load import load_model
from reticent.models.stage import stage

__all__ = ["Flavor", "find", "load_model", "register", "stage"]
