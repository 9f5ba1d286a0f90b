"""Loaded into each kernel: text that C code or a child process prints is seen in its place.

A Jupyter kernel reads such text in a thread, and where it stands between the lines that Python
prints is chance (under pytest it is not read at all). Here the two standard file descriptors lead
into files in memory. These are emptied into the kernel's streams before each line that Python
prints and before each display, so that the order is that of the program.
"""

from __future__ import annotations

import codecs
import ctypes
import os
import sys
import tempfile
import threading
from typing import Any

PIECE = 2**16  # bytes read at once


class Captured:
    """The text that arrives at a file descriptor goes to a stream of the kernel."""

    def __init__(self, stream: Any, descriptor: int) -> None:
        self.stream, self.process = stream, os.getpid()
        self.file = tempfile.TemporaryFile("w+b", buffering=0)  # noqa: SIM115
        os.dup2(self.file.fileno(), descriptor)
        self.position = 0
        self.decode = codecs.getincrementaldecoder("utf-8")(errors="replace").decode
        self.lock = threading.RLock()
        self.flush_c = ctypes.CDLL(None).fflush
        self.write, self.flush = stream.write, stream.flush
        stream.write, stream.flush = self.drain_and_write, self.drain_and_flush

    def drain(self) -> None:
        """Pass on what has arrived."""
        if os.getpid() != self.process:  # a fork of the kernel; the kernel will pass it on
            return
        with self.lock:
            self.flush_c(None)
            while piece := os.pread(self.file.fileno(), PIECE, self.position):
                self.position += len(piece)
                self.write(self.decode(piece))

    def drain_and_write(self, text: str) -> Any:
        """Write to the stream, after what has arrived."""
        self.drain()
        return self.write(text)

    def drain_and_flush(self) -> None:
        """Flush the stream, after what has arrived; the kernel does so before it shows anything."""
        self.drain()
        self.flush()


def load_ipython_extension(shell: Any) -> None:
    """Take over the two descriptors."""
    Captured(sys.stdout, 1)
    Captured(sys.stderr, 2)
