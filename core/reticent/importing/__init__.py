"""Old runs of other trackers, brought in as runs of ours: sealed on the way, with their own times.

A source is a module with `runs(place, experiments)`, which gives a `PastRun` for each run that is there.
"""

from reticent.importing.past import Counts, PastRun, Point, bring_in

__all__ = ["Counts", "PastRun", "Point", "bring_in"]
