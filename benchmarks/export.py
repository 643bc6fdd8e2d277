"""How long exports of a two-hour film take, and how much memory: `python -m benchmarks.export`.

172,800 frames at 23.976 with three faces each, in tracks of ten seconds. Each export runs in a process of its own,
whose peak memory is compared with that of a film a tenth as long.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

FRAMES = 172_800
SHORT_FRAMES = FRAMES // 10
FACES = 3
TRACK_FRAMES = 240
RATE = 24000 / 1001

HEADER = (
    "frame_num,face_num,x1,y1,x2,y2,confidence,timestamp,right_eye_x,right_eye_y,left_eye_x,left_eye_y,nose_x,nose_y,"
    "right_mouth_x,right_mouth_y,left_mouth_x,left_mouth_y,track_id,quality,propagated,sharpness,pose,person,similarity"
)
TRACKS_HEADER = (
    "track_id,start,end,first_frame,last_frame,frames,best_frame,best_timestamp,x1,y1,x2,y2,best_quality,embeddings,"
    "person,similarity"
)


def make_results(folder: Path, frames: int) -> None:
    """Write the results of a film that nobody analysed."""
    folder.mkdir(parents=True)
    with (folder / "detections.csv").open("w") as file:
        file.write(HEADER + "\n")
        for frame in range(frames):
            for face in range(FACES):
                track = frame // TRACK_FRAMES * FACES + face + 1
                left, top = 200 + 500 * face + frame % 97 * 0.31, 300 + frame % 53 * 0.27
                points = ",".join(f"{left + 10 * point:.2f},{top + 9 * point:.2f}" for point in range(5))
                box = f"{left:.2f},{top:.2f},{left + 120:.2f},{top + 150:.2f}"
                tail = f"{track},0.8,0,0.7,0.9,Person {track % 50},0.61"
                file.write(f"{frame},{face},{box},0.91,{frame / RATE:.6f},{points},{tail}\n")
    with (folder / "tracks.csv").open("w") as file:
        file.write(TRACKS_HEADER + "\n")
        for first in range(0, frames, TRACK_FRAMES):
            for face in range(FACES):
                track, last = first // TRACK_FRAMES * FACES + face + 1, min(frames, first + TRACK_FRAMES) - 1
                file.write(
                    f"{track},{first / RATE:.3f},{last / RATE:.3f},{first},{last},{last + 1 - first},{first},"
                    f"{first / RATE:.3f},200,300,320,450,0.9,5,Person {track % 50},0.61\n"
                )
    metadata = {
        "filepath": "/films/two_hours.mkv",
        "width": 1920,
        "height": 1080,
        "fps": 23.976,
        "framecount": frames,
        "duration": frames / RATE,
        "complete": True,
    }
    (folder / "metadata.json").write_text(json.dumps(metadata))


def measure(results: Path, name: str, out: Path) -> tuple[float, float, float]:
    """Seconds, those of a processor, and peak megabytes of one export in a process of its own."""
    started = time.perf_counter()
    command = [sys.executable, "-m", "benchmarks.export", "one", str(results), name, str(out)]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    processor, peak = map(float, output.split())
    return time.perf_counter() - started, processor, peak


def main() -> None:
    """Print the table, or export once."""
    from visage.export import FORMATS, export  # noqa: PLC0415

    if sys.argv[1:2] == ["one"]:
        export(sys.argv[2], sys.argv[3], sys.argv[4])
        used = resource.getrusage(resource.RUSAGE_SELF)
        print(used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)
        return
    with tempfile.TemporaryDirectory() as folder:
        make_results(Path(folder) / "long", FRAMES)
        make_results(Path(folder) / "short", SHORT_FRAMES)
        print("| format | seconds | of a processor | MB | MB, a tenth as long | size in MB |")
        print("| --- | --- | --- | --- | --- | --- |")
        for name in FORMATS:
            out = Path(folder) / "out"
            _, _, short = measure(Path(folder) / "short", name, out)
            out.unlink()
            seconds, processor, peak = measure(Path(folder) / "long", name, out)
            size = out.stat().st_size / 1e6
            print(f"| {name} | {seconds:.1f} | {processor:.1f} | {peak:.0f} | {short:.0f} | {size:.1f} |", flush=True)
            out.unlink()


if __name__ == "__main__":
    main()
