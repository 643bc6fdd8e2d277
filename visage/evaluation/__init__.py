"""How good the models are, on anybody's pictures: detection, verification, identification. `visage eval` in a shell."""

from __future__ import annotations

from visage.evaluation.detection import DetectionReport, evaluate_detection
from visage.evaluation.identification import IdentificationReport, evaluate_identification
from visage.evaluation.verification import OperatingPoint, VerificationReport, evaluate_verification

__all__ = [
    "DetectionReport",
    "IdentificationReport",
    "OperatingPoint",
    "VerificationReport",
    "evaluate_detection",
    "evaluate_identification",
    "evaluate_verification",
]
