"""Where a file's results go."""

from __future__ import annotations

from pathlib import Path

import pytest

from visage.config.service import FolderConfig
from visage.service.job import Job, JobState
from visage.service.results import results_folder
