from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.clips import write_clip
from tests.unit.visage.redaction.films import plan_of, squares
from visage.redaction.errors import KeyRefused, ReportRefused
from visage.redaction.render import render_plan
from visage.redaction.report import check_report, report_path
from visage.redaction.signature import SigningKey, make_key, public_key_of

pytest.importorskip("cryptography", reason="signatures need the extra `encryption`")


@pytest.fixture
def signed(tmp_path: Path) -> Path:
    film = write_clip(tmp_path / "film.mp4", images=squares(4))
    plan_of(film, 4).write(tmp_path / "plan.json")
    make_key(tmp_path / "key")
    render_plan(tmp_path / "plan.json", tmp_path / "out.mp4", key=SigningKey(tmp_path / "key"))
    return report_path(tmp_path / "out.mp4")


def test_a_report_is_verified_with_video_plan_and_film(signed: Path) -> None:
    public = public_key_of(signed.with_name("key.pub"))
    lines = list(check_report(signed, public_key=public))
    assert lines[0] == f"signed with {public}"
    assert [line.split(":")[0] for line in lines[1:]] == ["output out.mp4", "plan plan.json", "input film.mp4"]


def test_without_a_key_to_compare_with_it_says_so(signed: Path) -> None:
    assert "--public-key" in next(iter(check_report(signed, public_key=None)))


@pytest.mark.parametrize("name", ["out.mp4", "plan.json", "film.mp4"])
def test_a_changed_file_is_found(signed: Path, name: str) -> None:
    file = signed.with_name(name)
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    with pytest.raises(ReportRefused, match=f"{name}: not the"):
        list(check_report(signed, public_key=None))


def test_a_changed_report_is_found(signed: Path) -> None:
    report = json.loads(signed.read_text())
    report["frames"]["covered_whole"] = 1
    signed.write_text(json.dumps(report))
    with pytest.raises(ReportRefused, match="changed after it was signed"):
        list(check_report(signed, public_key=None))


def test_another_key_is_found(signed: Path, tmp_path: Path) -> None:
    other = public_key_of(make_key(tmp_path / "other"))
    with pytest.raises(ReportRefused, match="another key"):
        list(check_report(signed, public_key=other))


@pytest.mark.parametrize(
    ("content", "told"),
    [("{}", "not a report"), ("[]", "not a report"), ("{", "not a report"), (None, "not signed")],
)
def test_what_is_no_signed_report_is_refused(signed: Path, content: str | None, told: str) -> None:
    if content is None:
        report = json.loads(signed.read_text())
        del report["signature"]
        content = json.dumps(report)
    signed.write_text(content)
    with pytest.raises(ReportRefused, match=told):
        list(check_report(signed, public_key=None))


@pytest.mark.parametrize("signature", [{}, "text", {"public_key": "?", "value": "?"}, {"algorithm": "none"}])
def test_a_damaged_signature_is_refused(signed: Path, signature: object) -> None:
    signed.write_text(json.dumps({**json.loads(signed.read_text()), "signature": signature}))
    with pytest.raises(ReportRefused, match="sign"):
        list(check_report(signed, public_key=None))


def test_keys_are_openssls(tmp_path: Path) -> None:
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("openssl is not installed")
    subprocess.run([openssl, "genpkey", "-algorithm", "ed25519", "-out", tmp_path / "key"], check=True)
    subprocess.run([openssl, "pkey", "-in", tmp_path / "key", "-pubout", "-out", tmp_path / "key.pub"], check=True)
    signed = SigningKey(tmp_path / "key").signed({"a": 1})
    assert signed["signature"]["public_key"] == public_key_of(tmp_path / "key.pub")


def test_keys_are_their_owners_alone_and_never_replaced(tmp_path: Path) -> None:
    make_key(tmp_path / "key")
    assert (tmp_path / "key").stat().st_mode & 0o077 == 0
    with pytest.raises(KeyRefused, match="exists already"):
        make_key(tmp_path / "key")


def test_what_is_no_key_is_refused(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("nothing")
    with pytest.raises(KeyRefused, match="not a private key"):
        SigningKey(tmp_path / "key")
    with pytest.raises(KeyRefused, match="not a public key"):
        public_key_of(tmp_path / "key")
