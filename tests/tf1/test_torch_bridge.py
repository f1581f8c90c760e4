"""Torch functions on graph tensors and variables: they record nodes, translated where TensorFlow has the same."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch as real_torch

import dynrnn.tf1

# programs' mistakes are tried on it, which a type checker would not let pass
tf: Any = dynrnn.tf1
torch: Any = real_torch


@pytest.fixture(autouse=True)
def session() -> Iterator[Any]:
    with tf.Graph().as_default(), tf.Session() as sess:
        yield sess


X = np.array([[0.5, -1.0, 2.0], [1.5, 0.25, -0.75]], np.float32)
W = np.array([[1.0, -2.0], [0.5, 0.0], [3.0, 1.0]], np.float32)

ONE: dict[str, Any] = {
    "tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
    "relu": torch.relu,
    "exp": torch.exp,
    "abs": torch.abs,
    "neg": torch.neg,
    "square": torch.square,
    "floor": torch.floor,
    "softmax": lambda x: torch.softmax(x, dim=1),
    "softmax-keyword": lambda x: torch.nn.functional.softmax(x, dim=-1),
    "sum": torch.sum,
    "sum-dim": lambda x: torch.sum(x, 1),
    "sum-keepdim": lambda x: torch.sum(x, dim=1, keepdim=True),
    "mean-dims": lambda x: torch.mean(x, (0, 1)),
    "max-amax": lambda x: torch.amax(x, 1),
    "clamp": lambda x: torch.clamp(x, -0.5, 0.5),
    "clamp-min": lambda x: torch.clamp(x, min=0.0),
    "cat": lambda x: torch.cat([x, x], 1),
    "cat-negative": lambda x: torch.cat((x, x), dim=-1),
    "stack": lambda x: torch.stack([x, x], dim=1),
    "reshape": lambda x: torch.reshape(x, [3, 2]),
    "unsqueeze": lambda x: torch.unsqueeze(x, 1),
    "transpose": lambda x: torch.transpose(x, 0, 1),
    "split": lambda x: torch.split(x, [1, 2], dim=1)[1],
    "split-even": lambda x: torch.split(x, 1, dim=1)[2],
    "chunk": lambda x: torch.chunk(x, 3, 1)[0],
    "where": lambda x: torch.where(torch.gt(x, 0), x, torch.zeros_like(x)),
    "zeros-like": torch.zeros_like,
    "ones-like": torch.ones_like,
    "add-scalar": lambda x: torch.add(x, 2.0),
    "mul-numpy-scalar": lambda x: torch.mul(x, np.float32(2.0)),
    "sub": lambda x: torch.sub(x, x),
    "div": lambda x: torch.div(x, 4.0),
    "pow": lambda x: torch.pow(x, 2.0),
    "maximum": lambda x: torch.maximum(x, torch.zeros_like(x)),
    "operators": lambda x: (2.0 - x) * x / 3.0 + 1.0,
    # nothing in TensorFlow's names: nodes of their own
    "erf": torch.erf,
    "cumsum-keyword": lambda x: torch.cumsum(x, dim=1),
    "roll": lambda x: torch.roll(x, shifts=1, dims=(1,)),
    "einsum": lambda x: torch.einsum("ij,kj->ik", x, x),
    "layer-norm": lambda x: torch.nn.functional.layer_norm(x, (3,)),
    "sort": lambda x: torch.sort(x, 1)[0],
    "flip": lambda x: torch.flip(x, [0]),
    "gelu": torch.nn.functional.gelu,
    "norm": lambda x: torch.linalg.vector_norm(x, dim=1),
}


@pytest.mark.parametrize("name", ONE)
@pytest.mark.parametrize("kind", ["placeholder", "variable"])
def test_the_value_and_shape_are_those_of_torch(name: str, kind: str, session: Any) -> None:
    function = ONE[name]
    expected = function(torch.from_numpy(X))
    x = tf.Variable(X) if kind == "variable" else tf.placeholder(tf.float32, [None, 3])
    result = function(x)
    assert isinstance(result, tf.Tensor)
    assert result.shape.is_compatible_with(tuple(expected.shape))
    assert result.shape.ndims == expected.ndim
    session.run(tf.global_variables_initializer())
    actual = session.run(result, {} if kind == "variable" else {x: X})
    np.testing.assert_allclose(actual, expected.numpy(), rtol=1e-6, atol=1e-6)
    assert actual.dtype == expected.numpy().dtype


SMOOTH = ["tanh", "softmax", "split", "einsum", "layer-norm", "roll", "where", "clamp", "operators"]


@pytest.mark.parametrize("name", SMOOTH)
def test_the_gradient_is_that_of_torch(name: str, session: Any) -> None:
    function = ONE[name]
    leaf = torch.from_numpy(X).requires_grad_()
    torch.sum(function(leaf) ** 2).backward()
    x = tf.placeholder(tf.float32, [None, 3])
    (gradient,) = tf.gradients(tf.reduce_sum(function(x) ** 2), x)
    np.testing.assert_allclose(session.run(gradient, {x: X}), leaf.grad.numpy(), rtol=1e-5, atol=1e-6)


def test_translated_functions_are_tensorflow_operations() -> None:
    x = tf.placeholder(tf.float32, [None, 3])
    types = [torch.tanh(x).op.type, torch.matmul(x, tf.zeros([3, 2])).op.type, torch.cat([x, x], 1).op.type]
    assert types == ["Tanh", "MatMul", "ConcatV2"]
    assert torch.tanh(x).op.name == "Tanh_1"
    assert torch.erf(x).op.type in ("TorchCall", "Erf")


def test_products_of_everything_with_everything(session: Any) -> None:
    expected = X @ W
    x, w = tf.placeholder(tf.float32, [None, 3]), tf.Variable(W)
    session.run(w.initializer)
    for left, right in (
        (x, w), (x, tf.constant(W)), (x, torch.from_numpy(W)), (torch.from_numpy(X), w), (tf.constant(X), w.value()),
    ):  # fmt: skip
        result = torch.matmul(left, right)
        np.testing.assert_allclose(session.run(result, {x: X}), expected, rtol=1e-6)
    assert torch.matmul(x, w).shape.as_list() == [None, 2]


def test_torch_tensors_beside_graph_tensors_in_functions_of_their_own(session: Any) -> None:
    x = tf.placeholder(tf.float32, [2, 3])
    weight = torch.from_numpy(W.T.copy())
    result = torch.nn.functional.linear(x, weight, torch.ones(2))
    np.testing.assert_allclose(session.run(result, {x: X}), X @ W + 1.0, rtol=1e-6)
    # recorded as it was
    before = session.run(result, {x: X})
    weight += 1.0
    np.testing.assert_array_equal(session.run(result, {x: X}), before)


def test_several_outputs(session: Any) -> None:
    x = tf.placeholder(tf.float32, [2, 3])
    values, indices = torch.sort(x, dim=1, descending=True)
    assert values.dtype == tf.float32 and indices.dtype == tf.int64
    np.testing.assert_array_equal(session.run(values, {x: X}), -np.sort(-X, 1))
    np.testing.assert_array_equal(session.run(indices, {x: X}), np.argsort(-X, 1))
    parts = torch.split(x, 1, 1)
    assert len(parts) == 3


def test_a_module_of_torch_on_graph_tensors(session: Any) -> None:
    layer = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Tanh(), torch.nn.LayerNorm(4))
    x = tf.placeholder(tf.float32, [None, 3])
    result = layer(x)
    assert result.shape.as_list() == [None, 4]
    np.testing.assert_allclose(
        session.run(result, {x: X}), layer(torch.from_numpy(X)).detach().numpy(), rtol=1e-5, atol=1e-6
    )


def test_shapes_that_do_not_fit_are_refused_while_the_graph_is_built() -> None:
    x = tf.placeholder(tf.float32, [None, 3])
    with pytest.raises(ValueError):
        torch.matmul(x, tf.zeros([4, 2]))
    with pytest.raises(ValueError):
        torch.nn.functional.linear(tf.zeros([2, 3]), torch.zeros(2, 4))


def test_an_error_at_run_time_names_the_operation(session: Any) -> None:
    x = tf.placeholder(tf.float32)
    result = torch.roll(torch.cumprod(x, dim=1), 1, 1)
    with pytest.raises(tf.errors.InvalidArgumentError) as caught:
        session.run(result, {x: [1.0]})
    assert "cumprod" in str(caught.value)


def test_functions_with_dtypes(session: Any) -> None:
    x = tf.constant([1, 2, 3])
    assert torch.sum(x, dtype=torch.float64).dtype == tf.float64
    np.testing.assert_array_equal(session.run(torch.zeros_like(x, dtype=torch.float32)), [0, 0, 0])
    assert torch.zeros_like(x, dtype=torch.float32).dtype == tf.float32
