"""Processor time to the microsecond: psutil and `os.times` count it in hundredths of a second."""

from __future__ import annotations

import ctypes
import resource
import time

import psutil

_c = ctypes.CDLL(None, use_errno=True)


def of_tree(pid: int) -> float:
    """Seconds of a process and its descendants, all threads; of those that have ended what they left to their parents."""
    root = psutil.Process(pid)
    return sum(_lived(one.pid) + _ended_below(one) for one in (root, *root.children(recursive=True)))


def of_this_tree() -> float:
    """The same of this process, those that have ended to the microsecond too."""
    beside = psutil.Process().children()
    return time.process_time() + of_ended() + sum(of_tree(child.pid) for child in beside)


def of_ended() -> float:
    """Of this process's children that have ended, and theirs."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _lived(pid: int) -> float:
    """By its own clock, which counts threads that have ended too. 0 where it has gone meanwhile: its parent has it."""
    clock = ctypes.c_int()
    if _c.clock_getcpuclockid(pid, ctypes.byref(clock)):
        return 0.0
    return time.clock_gettime(clock.value)


def _ended_below(process: psutil.Process) -> float:
    try:
        times = process.cpu_times()
    except psutil.NoSuchProcess:
        return 0.0
    return float(times.children_user + times.children_system)
