"""What deploy/Dockerfile does, without Docker: its commands in a folder, run as its user on a read-only tree."""

from __future__ import annotations

import json
import os
import pwd
import re
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.media import Media
from tests.pythons import NO_NETWORK, find_pythons
from visage.models import ModelStore

PROJECT = Path(__file__).parents[2]
TEXT = (PROJECT / "deploy" / "Dockerfile").read_text().replace("\\\n", " ")
INSTRUCTIONS = re.findall(r"^([A-Z]+) (.+)$", TEXT, re.MULTILINE)
IN_NAMESPACE = """
mount --make-rprivate /
mount -t tmpfs -o mode=1777 tmpfs /tmp
if [ ! "${PYTHON_PREFIX#"$HOME_OF_ROOT"/}" = "$PYTHON_PREFIX" ]; then  # nobody else may look into that folder
    mkdir /tmp/python && mount --bind "$PYTHON_PREFIX" /tmp/python
    mount -t tmpfs -o mode=755 tmpfs "$HOME_OF_ROOT"
    mkdir -p "$PYTHON_PREFIX" && mount --move /tmp/python "$PYTHON_PREFIX" && rmdir /tmp/python
fi
mount -o remount,bind,ro /
cd /tmp
"""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(900),
    pytest.mark.skipif(
        os.getuid() != 0 or not (shutil.which("unshare") and shutil.which("setpriv")),
        reason="needs root, unshare and setpriv",
    ),
]


@pytest.fixture(scope="module")
def root() -> Iterator[Path]:
    """A folder that holds what the image's first stage makes; readable by all."""
    minor = int(re.findall(r"FROM python:3\.(\d+)", TEXT)[0])
    if minor not in find_pythons():
        pytest.skip(f"there is no Python 3.{minor} here")
    folder = Path(tempfile.mkdtemp(prefix="visage-image-", dir="/var/tmp"))
    folder.chmod(0o755)
    try:
        source = folder / "src"
        source.mkdir()
        build = INSTRUCTIONS[: [word for word, _ in INSTRUCTIONS].index("FROM", 1)]
        for word, rest in build:
            if word == "COPY":
                *names, _ = shlex.split(rest)
                for name in names:
                    if (PROJECT / name).is_dir():
                        shutil.copytree(PROJECT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
                    else:
                        shutil.copy(PROJECT / name, source)
            elif word == "RUN":
                command = rest.replace("/opt/visage", f"{folder}/opt/visage")
                command = re.sub(r"^python ", f"{find_pythons()[minor]} ", command).replace("--no-cache-dir ", "")
                done = subprocess.run(
                    ["sh", "-ec", command], cwd=source, capture_output=True, text=True, check=False, timeout=600
                )
                if done.returncode and any(sign in done.stderr for sign in NO_NETWORK):
                    pytest.skip(f"no package can be fetched here: {done.stderr.strip().splitlines()[-1]}")
                assert done.returncode == 0, done.stderr
        yield folder
    finally:
        shutil.rmtree(folder)


def test_the_image_checks_its_configuration_and_analyses(root: Path, models: ModelStore, media: Media) -> None:
    for name in ("yunet", "sface"):
        models.prepared(name)
    shutil.copytree(models.model_dir, root / "models")
    shutil.copy(media.path("single_face.mp4"), root / "film.mp4")
    (root / "visage.yaml").write_text("state_dir: /tmp/state\nweb: {token_file: /tmp/tokens, audit_file: /tmp/audit}\n")
    settings = dict(INSTRUCTIONS)
    program, default = json.loads(settings["ENTRYPOINT"]), json.loads(settings["CMD"])
    default[default.index("/etc/visage/visage.yaml")] = str(root / "visage.yaml")
    run(root, *program, *default, "--check")
    run(root, *program, str(root / "film.mp4"), "--end", "0.5", "--dst", "/tmp/out")


def run(root: Path, *command: str) -> None:
    """As the image's user, in a mount namespace where everything but /tmp is read-only."""
    uid, gid = dict(INSTRUCTIONS)["USER"].split(":")
    inner = shlex.join(["setpriv", f"--reuid={uid}", f"--regid={gid}", "--clear-groups", "--no-new-privs", *command])
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-ec", f"{IN_NAMESPACE}exec {inner}"],
        env={
            "PATH": f"{root}/opt/visage/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin",
            "HOME": "/tmp",
            "HOME_OF_ROOT": pwd.getpwuid(0).pw_dir,
            "PYTHON_PREFIX": str((root / "opt/visage/bin/python").resolve().parents[1]),
            "VISAGE_MODEL_DIR": f"{root}/models",
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    assert done.returncode == 0, f"{command}: {done.stdout}\n{done.stderr}"
