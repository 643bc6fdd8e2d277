from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from stages.errors import ModelMismatch
from visage.models import (
    DetectorSpec,
    EmbedderSpec,
    ModelDamaged,
    ModelStore,
    UnknownModel,
    detector_spec,
    load_catalog,
)
from visage.models.errors import CatalogDamaged, LicenceNotAccepted, ModelNameTaken
from visage.models.own import add_model, own_model, propose, to_toml
from visage.models.registry import ModelFile


def network(path: Path, output: tuple[int, ...], size: tuple[int, int] = (112, 112)) -> Path:
    """A network that takes one picture and gives zeros of this shape, N first."""
    count = int(np.prod(output))
    graph = helper.make_graph(
        [
            helper.make_node("GlobalAveragePool", ["picture"], ["mean"]),
            helper.make_node("Flatten", ["mean"], ["flat"]),
            helper.make_node("MatMul", ["flat", "weights"], ["row"]),
            helper.make_node("Reshape", ["row", "shape"], ["out"]),
        ],
        "g",
        [helper.make_tensor_value_info("picture", TensorProto.FLOAT, [1, 3, *size])],
        [helper.make_tensor_value_info("out", TensorProto.FLOAT, [1, *output])],
        [
            numpy_helper.from_array(np.zeros((3, count), np.float32), "weights"),
            numpy_helper.from_array(np.array([1, *output], np.int64), "shape"),
        ],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), str(path))
    return path


def test_an_embedder_is_recognised_and_kept(tmp_path: Path) -> None:
    path, folder = network(tmp_path / "My Arc_Face.onnx", (256,)), tmp_path / "models"

    proposal = propose(path, folder)
    add_model(proposal.spec, path, folder)

    kept = load_catalog(folder)["my-arc-face"]
    assert kept == proposal.spec
    assert isinstance(kept, EmbedderSpec)
    assert (kept.embedding_dim, kept.input.size, kept.input.colour) == (256, 112, "rgb")
    assert ModelStore(folder).prepared("my-arc-face").exists()
    assert any("not measured" in reason for reason in proposal.reasons)


def test_a_detector_is_recognised_by_its_outputs(tmp_path: Path) -> None:
    anchors = 20 * 20 + 10 * 10 + 5 * 5
    path = network(tmp_path / "yolo.onnx", (20, anchors), (160, 160))

    spec = detector_spec(str(path), tmp_path / "models")

    assert (spec.head, spec.input.longest, spec.input.square, spec.input.pad_value) == ("yolo", 160, True, 114)
    assert isinstance(load_catalog(tmp_path / "models")["yolo"], DetectorSpec)


def test_a_path_is_looked_into_once(tmp_path: Path) -> None:
    path, folder = network(tmp_path / "a.onnx", (64,)), tmp_path / "models"

    assert own_model(path, folder) == own_model(path, folder)
    assert [name for name in load_catalog(folder) if name not in load_catalog()] == ["a"]


def test_a_second_file_of_the_same_name_gets_another(tmp_path: Path) -> None:
    folder = tmp_path / "models"
    own_model(network(tmp_path / "a.onnx", (64,)), folder)

    assert own_model(network(tmp_path / "a.onnx", (32,)), folder).name == "a-2"


def test_a_name_is_taken_once_and_replaced_where_it_stands_alone(tmp_path: Path) -> None:
    folder = tmp_path / "models"
    for name in ("a", "b"):
        add_model(propose(network(tmp_path / f"{name}.onnx", (64,)), folder).spec, tmp_path / f"{name}.onnx", folder)
    catalog = folder / "catalog.toml"
    catalog.write_text("# mine\n" + catalog.read_text().replace('title = "b"', 'title = "Bee"  # renamed'))
    other = network(tmp_path / "other.onnx", (32,))
    again = propose(other, folder, name="a").spec

    with pytest.raises(ModelNameTaken, match="there is a model 'a' already; choose another --name, or --force"):
        add_model(again, other, folder)
    add_model(again, other, folder, replace=True)

    kept = load_catalog(folder)
    assert (kept["a"], kept["b"].title) == (again, "Bee")
    assert "# mine" in catalog.read_text()
    assert "# renamed" in catalog.read_text()
    assert ModelStore(folder).verify("a").is_ok
    with pytest.raises(ModelNameTaken, match="of its own"):
        add_model(propose(other, folder, name="yunet").spec, other, folder, replace=True)


def test_a_changed_copy_is_an_error_that_says_what_to_do(tmp_path: Path) -> None:
    folder = tmp_path / "models"
    spec = own_model(network(tmp_path / "a.onnx", (64,)), folder)
    (folder / spec.files[0].name).write_bytes(b"")

    with pytest.raises(OSError, match="add the model 'a' again"):
        ModelStore(folder).prepared("a")


@pytest.mark.parametrize("output", [(7, 9), (4, 4, 4)])
def test_what_is_neither_is_refused_with_what_came_out(output: tuple[int, ...], tmp_path: Path) -> None:
    with pytest.raises(ModelMismatch, match="neither an embedder nor a detector"):
        propose(network(tmp_path / "a.onnx", output), tmp_path)


def test_what_is_no_network_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.onnx").write_bytes(b"\xffnot a network")

    with pytest.raises(ModelDamaged):
        propose(tmp_path / "a.onnx", tmp_path)
    with pytest.raises(ModelDamaged, match="no file"):
        propose(tmp_path / "absent.onnx", tmp_path)


def odd(tmp_path: Path, what: str) -> Path:
    path = network(tmp_path / "odd.onnx", (64,))
    model = onnx.load(path)
    dims = model.graph.input[0].type.tensor_type.shape.dim
    if what == "empty":
        model = onnx.ModelProto()
    elif what == "one channel":
        dims[1].dim_value = 1
    elif what == "no shape":
        model.graph.input[0].type.tensor_type.ClearField("shape")
    elif what == "two inputs":
        model.graph.input.append(helper.make_tensor_value_info("other", TensorProto.FLOAT, [1, 4]))
    elif what == "foreign operator":
        model.graph.node[0].domain = "com.example"
        model.opset_import.append(helper.make_opsetid("com.example", 1))
    onnx.save(model, str(path), save_as_external_data=what == "weights elsewhere", location="weights", size_threshold=0)
    if what == "truncated":
        path.write_bytes(path.read_bytes()[:-300])
    return path


@pytest.mark.parametrize(
    ("what", "reason"),
    [
        ("empty", "there is no network in it"),
        ("truncated", "not an ONNX file"),
        ("one channel", "takes pictures of 1 channels"),
        ("no shape", r"one input, a picture \(N, 3, height, width\); it has picture of 0 dimensions"),
        ("two inputs", "picture of 4 dimensions, other of 2 dimensions"),
        ("foreign operator", "operators that are not ONNX's own: com.example"),
        ("weights elsewhere", "keeps its weights in another file"),
    ],
)
def test_an_odd_file_is_refused_with_what_is_odd_about_it(what: str, reason: str, tmp_path: Path) -> None:
    with pytest.raises(ModelDamaged, match=reason):
        propose(odd(tmp_path, what), tmp_path)


def test_every_entry_is_the_same_after_a_way_through_toml(tmp_path: Path) -> None:
    published = load_catalog()
    renamed = [spec.model_copy(update={"name": f"own-{name}"}) for name, spec in published.items()]
    (tmp_path / "catalog.toml").write_text("\n".join(to_toml(spec) for spec in renamed))

    read = load_catalog(tmp_path)

    assert [read[spec.name] for spec in renamed] == renamed


@pytest.mark.parametrize("text", ["[broken", "name = 3", "[own]\ntask = 'dance'\n"])
def test_a_catalogue_with_a_mistake_is_named(text: str, tmp_path: Path) -> None:
    (tmp_path / "catalog.toml").write_text(text)

    with pytest.raises(CatalogDamaged, match=r"catalog\.toml can't be read"):
        load_catalog(tmp_path)


def test_a_path_without_a_model_folder_is_no_name() -> None:
    with pytest.raises(UnknownModel):
        detector_spec("a.onnx")


def unfree(tmp_path: Path, sha256: str | None) -> ModelStore:
    """A store with a non-permissive model `a`, whose origin does not answer."""
    spec = propose(network(tmp_path / "a.onnx", (64,)), tmp_path / "models").spec
    file = ModelFile(name="a.onnx", sha256=sha256, origins=("http://127.0.0.1:1/a.onnx",))
    spec = spec.model_copy(update={"files": (file,), "licence": "AGPL-3.0-only", "licence_note": "Mind it."})
    return ModelStore(tmp_path / "models", catalog={"a": spec})


def test_a_licence_is_asked_for_before_fetching_and_remembered(tmp_path: Path) -> None:
    store = unfree(tmp_path, "0" * 64)

    assert store.needs_agreement("a")
    with pytest.raises(LicenceNotAccepted, match=r"AGPL-3.0-only: Mind it\. .*--accept-license"):
        store.fetch("a")
    store.accept_licence("a")
    store.accept_licence("a")
    assert not store.needs_agreement("a")
    with pytest.raises(OSError, match="could not be fetched"):
        store.fetch("a")
    assert (tmp_path / "models" / "accepted-licences").read_text() == "a AGPL-3.0-only\n"


def test_a_file_whose_digest_nobody_knows_is_pinned_when_it_is_first_seen(tmp_path: Path) -> None:
    store = unfree(tmp_path, None)
    placed = tmp_path / "models" / "a.onnx"
    placed.parent.mkdir()
    content = (tmp_path / "a.onnx").read_bytes()
    placed.write_bytes(content)

    assert store.prepared("a").exists()
    assert not store.needs_agreement("a")  # it is here: nothing is fetched
    placed.write_bytes(content[:-1])

    with pytest.raises(LicenceNotAccepted):  # damaged, so it would be fetched
        store.fetch("a")
    placed.write_bytes(content)
    assert store.fetch("a") == placed
