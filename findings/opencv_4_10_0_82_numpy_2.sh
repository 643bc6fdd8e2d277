#!/usr/bin/env bash
# One would guess: a wheel that installs beside numpy 2 without a complaint can be imported there.
# What is so: opencv-python-headless 4.10.0.82 asks only for a least numpy (no upper bound), so the resolver puts
# numpy 2 beside it and `pip check` is content, but its binary was built against numpy 1 and the import fails.
# 4.10.0.84, two build numbers later, can be imported. A lower bound of ">=4.10" is therefore too low for numpy 2.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
export PIP_DISABLE_PIP_VERSION_CHECK=1

import_with() { # VERSION: prints the outcome of the import: "imported" or the last line of the error
    python3 -m venv "$folder/$1"
    "$folder/$1/bin/python" -m pip install --quiet --only-binary :all: "opencv-python-headless==$1" "numpy==2.0.2" >&2
    "$folder/$1/bin/python" -m pip check >&2
    if "$folder/$1/bin/python" -c 'import cv2' 2>"$folder/$1/error"; then
        echo imported
    else
        tail -n 1 "$folder/$1/error"
    fi
}

python3 --version
old=$(import_with 4.10.0.82)
new=$(import_with 4.10.0.84)
echo "opencv-python-headless 4.10.0.82 with numpy 2.0.2: $old"
echo "opencv-python-headless 4.10.0.84 with numpy 2.0.2: $new"
[[ $old == ImportError:* || $old == AttributeError:* ]] || { echo "CHANGED: 4.10.0.82 doesn't fail as it did"; exit 1; }
[[ $new == imported ]] || { echo "CHANGED: 4.10.0.84 can't be imported"; exit 1; }
echo "AS FOUND"

# Seen (Python 3.11.7, x86-64 Linux):
# No broken requirements found.
# No broken requirements found.
# opencv-python-headless 4.10.0.82 with numpy 2.0.2: ImportError: numpy.core.multiarray failed to import
# opencv-python-headless 4.10.0.84 with numpy 2.0.2: imported
