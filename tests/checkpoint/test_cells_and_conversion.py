"""Weights for torch cells, safetensors files, and the commands ``dynrnn inspect`` and ``dynrnn convert``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from fresh_process import python

import dynrnn
from dynrnn import cells, checkpoint

GOLDENS = Path(__file__).resolve().parents[1] / "goldens" / "checkpoints"


def stack() -> Any:
    return cells.MultiRNNCell(
        [
            cells.DropoutWrapper(cells.LSTMCell(4, use_peepholes=True, num_proj=3)),
            cells.ResidualWrapper(cells.GRUCell(3)),
            cells.OutputProjectionWrapper(cells.BasicRNNCell(3, name="inner"), 4),
        ]
    )


def equal(a: torch.nn.Module, b: torch.nn.Module) -> bool:
    left, right = a.state_dict(), b.state_dict()
    return list(left) == list(right) and all(torch.equal(left[key], right[key]) for key in left)


# --- cells ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scope", ["rnn/lstm_cell", "rnn", None, "/rnn/"])
def test_an_lstm_that_tensorflow_trained(scope: str | None) -> None:
    cell = checkpoint.load_cell(cells.LSTMCell(4, use_peepholes=True), GOLDENS / "lstm-3", scope)
    reader = checkpoint.open_checkpoint(GOLDENS / "lstm-3")
    for name, weight in cell.state_dict().items():
        np.testing.assert_array_equal(weight.numpy(), reader[f"rnn/lstm_cell/{name}"])
    # and it computes what that graph computes: the loss before the next step
    inputs = torch.from_numpy(np.random.RandomState(1).rand(6, 5, 2).astype(np.float32))
    lengths = torch.tensor([5, 3, 0, 1, 5, 2])
    target = torch.stack([row[:n].sum() for row, n in zip(inputs, lengths, strict=True)])
    _, state = dynrnn.dynamic_rnn(cell, inputs, sequence_length=lengths)
    out = (state.h @ torch.from_numpy(reader["out/w"])).reshape(-1) + torch.from_numpy(reader["out/b"])
    loss = torch.mean((out - target) ** 2).item()
    assert loss == pytest.approx(float(np.load(GOLDENS / "lstm.npz")["losses"][0]), rel=1e-5)


@pytest.mark.parametrize("scope", ["rnn", "rnn/multi_rnn_cell", None])
@pytest.mark.parametrize("built", [False, True])
def test_cells_in_cells(scope: str | None, built: bool, tmp_path: Path) -> None:
    cell, other = stack(), stack()
    cell.ensure_built(3, torch.float32)
    names = checkpoint.save_cell(cell, tmp_path / "m")
    assert {name.rpartition("/")[0] for name in names} == {
        "rnn/multi_rnn_cell/cell_0/lstm_cell",
        "rnn/multi_rnn_cell/cell_0/lstm_cell/projection",
        "rnn/multi_rnn_cell/cell_1/gru_cell/gates",
        "rnn/multi_rnn_cell/cell_1/gru_cell/candidate",
        "rnn/multi_rnn_cell/cell_2/output_projection_wrapper",
        "rnn/multi_rnn_cell/cell_2/output_projection_wrapper/inner",
    }
    if built:
        other.ensure_built(3, torch.float32)
        assert not equal(cell, other)
    assert checkpoint.load_cell(other, tmp_path / "m", scope) is other and equal(cell, other)


def test_names_are_those_of_the_graph(tmp_path: Path) -> None:
    """The same cells in the TensorFlow 1 face make variables of these names and shapes."""
    import dynrnn.tf1 as tf

    with tf.Graph().as_default():
        r = tf.contrib.rnn
        cell = r.MultiRNNCell(
            [
                r.DropoutWrapper(r.LSTMCell(4, use_peepholes=True, num_proj=3)),
                r.ResidualWrapper(r.GRUCell(3)),
                r.OutputProjectionWrapper(r.BasicRNNCell(3, name="inner"), 4),
            ]
        )
        tf.nn.dynamic_rnn(cell, tf.zeros([2, 5, 3]), dtype=tf.float32)
        graph = {v.op.name: v.shape.as_list() for v in tf.global_variables()}
    torch_cell = stack()
    torch_cell.ensure_built(3, torch.float32)
    checkpoint.save_cell(torch_cell, tmp_path / "m")
    reader = checkpoint.open_checkpoint(tmp_path / "m")
    assert {name: list(info.shape) for name, info in reader.tensors.items()} == graph


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16, torch.float16])
def test_weights_keep_their_type(dtype: torch.dtype, tmp_path: Path) -> None:
    cell = cells.GRUCell(3, dtype=dtype, input_size=2)
    checkpoint.save_cell(cell, tmp_path / "m", "")
    other = checkpoint.load_cell(cells.GRUCell(3), tmp_path / "m", "")
    assert other.gates.kernel.dtype is dtype and equal(cell, other)


def test_cells_that_do_not_fit(tmp_path: Path) -> None:
    lstm = GOLDENS / "lstm-3"
    with pytest.raises(checkpoint.CheckpointError, match=r"nothing below nope; its scopes are .*rnn/lstm_cell"):
        checkpoint.load_cell(cells.LSTMCell(4), lstm, "nope")
    with pytest.raises(checkpoint.CheckpointError, match="does not fit the cell"):
        checkpoint.load_cell(cells.LSTMCell(4), lstm, "rnn")
    with pytest.raises(checkpoint.CheckpointError, match="does not fit the cell"):
        checkpoint.load_cell(cells.LSTMCell(5, use_peepholes=True, input_size=2), lstm, "rnn")
    with pytest.raises(ValueError, match=r"expected one scope 'gru_cell' in .*, found none"):
        checkpoint.load_cell(cells.GRUCell(4), lstm)
    with pytest.raises(TypeError, match="expected a cell"):
        checkpoint.load_cell("lstm", lstm)
    with pytest.raises(ValueError, match="has no weights yet"):
        checkpoint.save_cell(cells.LSTMCell(4), tmp_path / "m")
    with checkpoint.BundleWriter(tmp_path / "two") as writer:
        for name in ("a", "b"):
            writer.add(f"{name}/gru_cell/gates/kernel", np.zeros((3, 2)))
    with pytest.raises(ValueError, match=r"found .a/gru_cell., .b/gru_cell.; say which"):
        checkpoint.load_cell(cells.GRUCell(1), tmp_path / "two")


# --- safetensors ------------------------------------------------------------------------------------------------------


def test_to_safetensors_and_back(tmp_path: Path) -> None:
    import safetensors.torch

    left_out = checkpoint.to_safetensors(GOLDENS / "dtypes", tmp_path / "m.safetensors", skip=True)
    assert left_out == ["text", "types/complex128", "types/string"]
    loaded = safetensors.torch.load_file(tmp_path / "m.safetensors")
    assert loaded["types/bfloat16"].dtype is torch.bfloat16 and loaded["types/uint16"].dtype is torch.uint16
    checkpoint.from_safetensors(tmp_path / "m.safetensors", tmp_path / "back")
    theirs, ours = checkpoint.open_checkpoint(GOLDENS / "dtypes"), checkpoint.open_checkpoint(tmp_path / "back")
    assert sorted([*ours, *left_out]) == sorted(theirs)
    for name in ours:
        a, b = theirs.bits(name), ours.bits(name)
        assert theirs.info(name).dtype == ours.info(name).dtype
        assert a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes(), name


def test_parts_become_whole(tmp_path: Path) -> None:
    assert checkpoint.to_safetensors(GOLDENS / "parts", tmp_path / "m.safetensors") == []
    assert checkpoint.from_safetensors(tmp_path / "m.safetensors", tmp_path / "back") == ["columns/w", "rows/w"]


def test_what_is_not_converted(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"cannot hold text \(string\), types/complex128 \(complex128\)"):
        checkpoint.to_safetensors(GOLDENS / "dtypes", tmp_path / "m.safetensors")
    checkpoint.write_checkpoint(tmp_path / "text", {"a": np.array([b"x"], object)})
    with pytest.raises(ValueError, match="nothing that a safetensors file could hold"):
        checkpoint.to_safetensors(tmp_path / "text", tmp_path / "m.safetensors", skip=True)
    (tmp_path / "wrong.safetensors").write_bytes(b"\xff" * 100)
    with pytest.raises(checkpoint.CheckpointError, match="no safetensors file"):
        checkpoint.from_safetensors(tmp_path / "wrong.safetensors", tmp_path / "m")
    with pytest.raises(FileNotFoundError):
        checkpoint.from_safetensors(tmp_path / "none.safetensors", tmp_path / "m")
    assert not list(tmp_path.glob("m*"))


# --- the commands -----------------------------------------------------------------------------------------------------


def dynrnn_main(capsys: pytest.CaptureFixture[str], *words: Any) -> tuple[int, str, str]:
    from dynrnn.cli import main

    try:
        status = main([str(word) for word in words])
    except SystemExit as error:
        status = int(error.code or 0)
    return status, *capsys.readouterr()


def test_inspect(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, err = dynrnn_main(capsys, "inspect", GOLDENS / "parts", "--check")
    assert (status, err) == (0, "")
    assert out.splitlines() == [
        "name       dtype    shape     size",
        "columns/w  float32  [12, 5]  240 B  2 parts",
        "rows/w     float32  [12, 5]  240 B  5 parts",
        "2 tensors, 120 elements, 480 B; version 2, 1 data file",
        "all checksums are right",
    ]
    assert "version 2, 2 data files" in dynrnn_main(capsys, "inspect", GOLDENS / "shards")[1]
    out = dynrnn_main(capsys, "inspect", GOLDENS / "old")[1]
    assert out.endswith("; version 1\n") and "types/string      string      [3, 2]" in out


def test_convert(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "m.safetensors"
    status, out, _ = dynrnn_main(capsys, "convert", GOLDENS / "dtypes", file, "--skip")
    assert (status, out.splitlines()[:2]) == (0, ["left out: text", "left out: types/complex128"])
    assert dynrnn_main(capsys, "convert", file, tmp_path / "back")[0] == 0
    assert checkpoint.open_checkpoint(tmp_path / "back")["größe"] == 7


@pytest.mark.parametrize(
    ("words", "status", "message"),
    [
        (["inspect", "none"], 1, "dynrnn inspect: no checkpoint none"),
        (["inspect", "garbage"], 1, "dynrnn inspect: garbage: not an sstable"),
        (["convert", "a", "b"], 2, "dynrnn convert: expected one of SOURCE and TARGET to end in .safetensors"),
        (["convert", "a.safetensors", "b"], 1, "dynrnn convert: a.safetensors: No such file or directory"),
        (["convert", "a", "b.safetensors"], 1, "dynrnn convert: no checkpoint a"),
        (["inspect"], 2, "the following arguments are required: CHECKPOINT"),
    ],
)
def test_wrong_words(
    words: list[str],
    status: int,
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "garbage").write_bytes(b"x" * 100)
    got, out, err = dynrnn_main(capsys, *words)
    assert (got, out) == (status, "") and message in err


def test_the_command_itself(tmp_path: Path) -> None:
    done = python("-m", "dynrnn", "inspect", str(GOLDENS / "shards"), cwd=tmp_path)
    assert done.returncode == 0 and done.stdout.splitlines()[1].split()[:2] == ["v0", "float32"]
