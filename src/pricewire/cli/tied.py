"""Ties a process to the one that started it, to be killed when that one ends, however it ends; as a program, it runs another one so."""

from __future__ import annotations

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1
"""Source: prctl(2) of Linux."""


def tie_to(parent: int) -> None:
    """
    Have this process be killed when its parent ends; it keeps that when it runs another program.

    Args:
        parent: the parent's process id, as the parent knows it: it may have ended already.
    """
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        sys.exit("pricewire: the process that started this one has ended")


if __name__ == "__main__":
    tie_to(int(sys.argv[1]))
    os.execv(sys.argv[2], sys.argv[2:])  # noqa: S606 - what the parent has chosen
