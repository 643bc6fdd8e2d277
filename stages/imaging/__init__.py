"""Picture arithmetic: detector inputs and aligned crops, on the host (`host`) or on a card (`device`).

Import the modules by name: what runs on the host needs no CUDA.
"""

from __future__ import annotations

__all__: list[str] = []
