"""What happens to a frame: decode, detect, track, embed, identify, sink.

Synchronous and self-contained: no event loop, no logging, no metrics, no settings file. `visage` puts these stages on
threads; a notebook can call them one after another.
"""

from __future__ import annotations

__all__: list[str] = []
