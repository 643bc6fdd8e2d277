"""`visage eval`: how accurate the models are on labelled pictures and films."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from visage.cli.options import ModelDirOption

if TYPE_CHECKING:
    from visage.config import Settings

__all__ = ["app"]

app = typer.Typer(
    name="eval",
    help="Measure detection, verification, identification and tracking on your own pictures and films.",
    no_args_is_help=True,
)

Folder = Annotated[
    Path,
    typer.Argument(
        exists=True, file_okay=False, help="Folder with the pictures and the ground truth, as described above."
    ),
]
Detector = Annotated[str | None, typer.Option(help="Detector; see visage models list.", show_default="yunet")]
Embedder = Annotated[str | None, typer.Option(help="Embedder; see visage models list.", show_default="sface")]
Json = Annotated[Path | None, typer.Option("--json", help="Write the result to this file.", show_default="none")]
Device = Annotated[str | None, typer.Option(help="Device: auto, cpu or cuda:N.", show_default="auto")]


@app.command()
def detection(
    folder: Folder,
    detector: Detector = None,
    detector_size: Annotated[int | None, typer.Option(help="Longer side of the detector's input in pixels.")] = None,
    score_threshold: Annotated[float, typer.Option(help="Minimum score; low, so that the curve is complete.")] = 0.02,
    device: Device = None,
    model_dir: ModelDirOption = None,
    json_path: Json = None,
) -> None:
    """Measure average precision at the low threshold, and recall by size at the detector's own.

    FOLDER holds boxes.csv (image,x1,y1,x2,y2,ignore), or WIDER FACE's wider_face_*_bbx_gt.txt and images/.
    """
    import numpy as np  # noqa: PLC0415

    from visage.evaluation.analysis import faces_of  # noqa: PLC0415
    from visage.evaluation.detection import evaluate_detection  # noqa: PLC0415
    from visage.evaluation.layouts import read_detection  # noqa: PLC0415
    from visage.models import detector_spec  # noqa: PLC0415

    settings = _settings(detector=detector, device=device, model_dir=model_dir, detector_size=detector_size)
    settings = settings.model_copy(update={"embed": None, "score_threshold": score_threshold})
    truth = read_detection(folder)
    found = faces_of(list(truth), settings)
    own = detector_spec(settings.detector, settings.model_dir).score_threshold

    def evaluated(least: float) -> dict[str, Any]:
        rows = []
        for path, faces in truth.items():
            kept = [face for face in found[path] if face.score >= least]
            boxes = np.array([face.box_xyxy for face in kept], np.float32).reshape(-1, 4)
            rows.append((faces, boxes, np.array([face.score for face in kept], np.float32)))
        return dataclasses.asdict(evaluate_detection(rows))

    whole, used = evaluated(score_threshold), evaluated(own)
    result = {**used, "average_precision": whole["average_precision"], "score_threshold": own}
    print(f"{settings.detector}: {result['faces']} faces in {result['pictures']} pictures")
    print(f"average precision {result['average_precision']:.4f} (scores from {score_threshold})")
    print(f"at score {own}: recall {result['recall']:.4f}, {result['false_positives']} false")
    for size, (recall, count) in result["recall_by_size"].items():
        print(f"  faces {size} px: recall {recall:.4f} of {count}")
    _keep(json_path, settings, result)


@app.command()
def verification(
    folder: Folder,
    detector: Detector = None,
    embedder: Embedder = None,
    device: Device = None,
    model_dir: ModelDirOption = None,
    json_path: Json = None,
) -> None:
    """Measure whether two faces belong to one person: accuracy, and TAR and threshold at false accept rates.

    FOLDER holds one folder per person (optionally LFW's pairs.txt), or templates.csv and pairs.csv as in IJB.
    """
    import numpy as np  # noqa: PLC0415

    from visage.evaluation.analysis import embed_templates  # noqa: PLC0415
    from visage.evaluation.layouts import read_verification  # noqa: PLC0415
    from visage.evaluation.verification import evaluate_verification  # noqa: PLC0415

    settings = _settings(detector=detector, embedder=embedder, device=device, model_dir=model_dir)
    templates, pairs = read_verification(folder)
    embeddings = embed_templates(templates, settings)
    similarities = []
    for first, second in pairs:
        a, b = embeddings[first], embeddings[second]
        similarities.append(-1.0 if a is None or b is None else float(a @ b))
    is_same = [templates[first].person == templates[second].person for first, second in pairs]
    report = evaluate_verification(np.array(similarities, np.float32), np.array(is_same, bool))
    faceless = sum(embedding is None for embedding in embeddings.values())
    print(
        f"{settings.embedder} after {settings.detector}: {report.same_pairs} same, {report.different_pairs} different"
    )
    print(f"balanced accuracy {report.balanced_accuracy:.4f} at {report.balanced_threshold:.3f}; ", end="")
    print(f"equal error rate {report.equal_error_rate:.4f}; no face in {faceless} of {len(embeddings)}")
    for point in report.points:
        interval = f"{point.tar_low:.4f} to {point.tar_high:.4f}"
        print(f"  FAR {point.far:g}: TAR {point.tar:.4f} (95%: {interval}) at {point.threshold:.3f}")
    _keep(json_path, settings, {**dataclasses.asdict(report), "faceless": faceless})


@app.command()
def identification(
    folder: Folder,
    detector: Detector = None,
    embedder: Embedder = None,
    device: Device = None,
    model_dir: ModelDirOption = None,
    json_path: Json = None,
) -> None:
    """Measure who a face belongs to: rank-1, and identification rates at false alarm rates.

    FOLDER holds gallery/ and probes/, each with one folder per person; people in probes/ alone are the strangers.
    """
    import numpy as np  # noqa: PLC0415

    from visage.evaluation.analysis import embed_templates  # noqa: PLC0415
    from visage.evaluation.identification import evaluate_identification  # noqa: PLC0415
    from visage.evaluation.layouts import read_identification  # noqa: PLC0415
    from visage.models import embedder_spec  # noqa: PLC0415

    settings = _settings(detector=detector, embedder=embedder, device=device, model_dir=model_dir)
    zero = np.zeros(embedder_spec(settings.embedder, settings.model_dir).embedding_dim, np.float32)
    sides = []
    for templates in read_identification(folder):
        embedded = embed_templates(templates, settings)
        rows = [zero if embedding is None else embedding for embedding in embedded.values()]
        sides.append((np.array(rows, np.float32), [template.person for template in templates.values()]))
    (gallery, people), (probes, probe_people) = sides
    report = evaluate_identification(gallery, people, probes, probe_people)
    print(f"{settings.embedder}: {report.gallery_people} people, {report.probes} probes, {report.strangers} strangers")
    print(f"rank-1 {report.rank_1:.4f} (95%: {report.rank_1_low:.4f} to {report.rank_1_high:.4f})")
    for rate, (threshold, identified) in report.open_set.items():
        print(f"  FPIR {rate:g}: TPIR {identified:.4f} at {threshold:.3f}")
    _keep(json_path, settings, dataclasses.asdict(report))


@app.command()
def video(
    folder: Folder,
    people: Annotated[
        Path | None,
        typer.Option(
            exists=True,
            file_okay=False,
            help="Photographs, one folder per person: measure names too.",
            show_default="none",
        ),
    ] = None,
    detector: Detector = None,
    embedder: Embedder = None,
    detector_size: Annotated[int | None, typer.Option(help="Longer side of the detector's input in pixels.")] = None,
    frameskip: Annotated[str | None, typer.Option(help="As for visage run.", show_default="1")] = None,
    iou: Annotated[
        float, typer.Option(min=0.05, max=0.95, help="Least overlap (IoU) of a box and the face that it finds.")
    ] = 0.5,
    device: Device = None,
    model_dir: ModelDirOption = None,
    json_path: Json = None,
) -> None:
    """Measure detection, tracking, clusters and names over films.

    FOLDER holds films, each with its truth beside it: movie.csv (frame,x1,y1,x2,y2,person,ignore), movie.txt (MOT), or
    movie.xml (CVAT for video 1.1).
    """
    from pydantic import ValidationError  # noqa: PLC0415

    from stages.errors import StageError  # noqa: PLC0415
    from visage.cli.reporting import report  # noqa: PLC0415
    from visage.evaluation.film_truth import read_films  # noqa: PLC0415
    from visage.evaluation.films import describe_films, evaluate_films  # noqa: PLC0415
    from visage.evaluation.layouts import LayoutError, read_people  # noqa: PLC0415
    from visage.people.errors import PeopleError  # noqa: PLC0415

    flags = {"detector": detector, "embedder": embedder, "device": device, "model_dir": model_dir}
    settings = _settings(**flags, detector_size=detector_size, frameskip=frameskip, track=True)
    try:
        known = None if people is None else read_people(people)
        measured = evaluate_films(read_films(folder), settings, people=known, iou=iou)
    except (LayoutError, StageError, PeopleError, OSError, ValidationError) as error:
        report(error)
        raise typer.Exit(1) from error
    for line in describe_films(measured):
        print(line)
    _keep(json_path, settings, dataclasses.asdict(measured))


def _settings(**flags: object) -> Settings:
    from visage.cli.run_settings import make_settings  # noqa: PLC0415

    return make_settings({"track": False, **flags})


def _keep(path: Path | None, settings: Settings, result: dict[str, Any]) -> None:
    if path is not None:
        models = {"detector": settings.detector, "embedder": settings.embedder}
        path.write_text(json.dumps({**models, **result}, indent=1) + "\n", encoding="utf-8")
