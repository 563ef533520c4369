"""`reticent demo`: trainings that are captured, and a look at what was.

It logs to the user's own root, in the experiment "demo", so that the commands printed at the end work as they stand.
"""
