"""What this machine makes of a clip: each stage alone, plain loops, and the pipeline, measured in one run."""

from __future__ import annotations

__all__: list[str] = []
