"""Runs in one file, to be carried to where there is a network: a compressed tar with a manifest at its beginning.

    manifest.json             format, and of each run its id and the path, size and SHA-256 of each file
    manifest.sig              an Ed25519 signature of that, if it is signed
    runs/<run_id>/<path>      the files, in the manifest's order and nothing else

What waits to be sealed and what was withheld stay where they are, and so does the root's key.
"""

from reticent.bundle.manifest import BundledRun, Manifest
from reticent.bundle.reading import Imported, import_bundle
from reticent.bundle.writing import export_runs

__all__ = ["BundledRun", "Imported", "Manifest", "export_runs", "import_bundle"]
