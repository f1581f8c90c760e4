"""`reverse_sequence`, `sequence_mask` and `TensorArray`."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dynrnn.sequence import reverse_sequence, sequence_mask
from dynrnn.tensor_array import TensorArray


@given(
    lengths=st.lists(st.integers(0, 4), max_size=4),
    rest=st.lists(st.integers(0, 3), max_size=2),
    axes=st.sampled_from([(1, 0), (0, 1), (-1, 0), (0, -1), (1, -1), (-1, -2)]),
)
def test_reverse_sequence(lengths: list[int], rest: list[int], axes: tuple[int, int]) -> None:
    """Against the definition, one row at a time, for any place of the axes."""
    seq_axis, batch_axis = axes
    steps = 4
    rows = torch.arange(len(lengths) * steps * int(np.prod(rest))).reshape(len(lengths), steps, *rest)
    wanted = rows.clone()
    for b, length in enumerate(lengths):
        wanted[b, :length] = rows[b, :length].flip(0)
    ndim = rows.ndim
    if seq_axis % ndim == batch_axis % ndim:
        return
    place = ((0, 1), (batch_axis % ndim, seq_axis % ndim))
    actual = reverse_sequence(rows.movedim(*place), lengths, seq_axis, batch_axis)
    assert torch.equal(actual, wanted.movedim(*place))


def test_reverse_sequence_leaves_garbage_in_its_place() -> None:
    x = torch.randn(3, 4, 2, dtype=torch.float64)
    x[0, 2:] = float("nan")
    x[1] = float("inf")
    x.requires_grad_()
    y = reverse_sequence(x, torch.tensor([2, 0, 4]))
    assert torch.equal(y[0, :2], x[0, :2].flip(0))
    assert torch.isnan(y[0, 2:]).all()
    weights = torch.randn(3, 4, 2, dtype=torch.float64)
    (gradient,) = torch.autograd.grad(y, x, weights)
    assert torch.equal(gradient, reverse_sequence(weights, [2, 0, 4]))
    poisoned = weights.clone()
    poisoned[0, 2:] = float("nan")
    (gradient,) = torch.autograd.grad(reverse_sequence(x, [2, 0, 4]), x, poisoned)
    assert torch.equal(gradient[0, :2], weights[0, :2].flip(0))
    assert torch.isfinite(gradient[1:]).all()


def test_reverse_sequence_gradcheck() -> None:
    x = torch.randn(2, 3, 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda v: reverse_sequence(v, [2, 3]), [x])
    assert torch.autograd.gradgradcheck(lambda v: reverse_sequence(v, [2, 3]), [x])


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (([1], [1]), TypeError, "x must be a tensor, got list"),
        ((torch.ones(2, 3), [4, 1]), ValueError, "lengths must be from 0 to the number of steps 3, got 4 for row 0"),
        ((torch.ones(2, 3), [1, -1]), ValueError, "got -1 for row 1"),
        ((torch.ones(2, 3), [1]), ValueError, r"is \[2\] but saw shape: \[1\]"),
        ((torch.ones(2, 3), [1.0, 2.0]), TypeError, "lengths must hold integers"),
        ((torch.ones(2, 3), [1, 2], 2), ValueError, r"seq_axis must be an axis of x, .* \[2, 3\], got 2"),
        ((torch.ones(2, 3), [1, 2], 1, -3), ValueError, "batch_axis must be an axis of x"),
        ((torch.ones(2, 3), [1, 2], 1, -1), ValueError, "must differ, got 1 for both"),
    ],
)
def test_reverse_sequence_refuses(arguments: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        reverse_sequence(*arguments)


@pytest.mark.parametrize("make", [list, np.array, torch.tensor, lambda v: np.array(v, "uint8")])
def test_sequence_mask(make: Any) -> None:
    mask = sequence_mask(make([1, 3, 0]))
    assert mask.tolist() == [[True, False, False], [True, True, True], [False, False, False]]
    assert sequence_mask(make([1, 3]), 2, torch.float64).tolist() == [[1.0, 0.0], [1.0, 1.0]]


def test_sequence_mask_shapes() -> None:
    assert sequence_mask([[1, 2], [0, 4]]).shape == (2, 2, 4)
    assert sequence_mask(2, 3).tolist() == [True, True, False]
    assert sequence_mask([]).shape == (0, 0)
    assert sequence_mask([-1, -2]).shape == (2, 0)
    with pytest.raises(TypeError, match=r"lengths must hold integers, got dtype torch\.float32"):
        sequence_mask(torch.tensor([1.0]))
    with pytest.raises(TypeError, match=r"got dtype torch\.bool"):
        sequence_mask([True])
    with pytest.raises(ValueError, match="maxlen must not be negative, got -1"):
        sequence_mask([1], -1)


def test_tensor_array_is_a_value() -> None:
    empty = TensorArray()
    first, second = torch.tensor([1.0, 2.0]), torch.tensor([3.0, 4.0])
    one = empty.write(0, first)
    two = one.write(torch.tensor(1), second)
    changed = two.write(0, second)
    assert [array.size() for array in (empty, one, two, changed)] == [0, 1, 2, 2]
    assert len(two) == 2
    assert two.read(0) is first
    assert torch.equal(two.stack(), torch.stack([first, second]))
    assert torch.equal(changed.stack(), torch.stack([second, second]))
    assert two.concat().tolist() == [1, 2, 3, 4]
    assert torch.equal(empty.unstack(two.stack()).stack(), two.stack())
    assert repr(two) == "TensorArray(size=2, element=[2] torch.float32)"


def test_empty_tensor_array_knows_what_it_was_told() -> None:
    array = TensorArray().unstack(torch.ones(0, 2, 3).int())
    assert (array.stack().shape, array.stack().dtype) == ((0, 2, 3), torch.int32)
    assert array.concat().shape == (0, 3)
    assert repr(TensorArray()) == "TensorArray(size=0, element=unknown)"


def test_tensor_array_refuses() -> None:
    array = TensorArray([torch.ones(2)])
    with pytest.raises(ValueError, match="needs the shape of its elements"):
        TensorArray().stack()
    with pytest.raises(IndexError, match=r"index must be in \[0, 1\) .* got 1"):
        array.read(1)
    with pytest.raises(IndexError, match=r"index must be in \[0, 1\] .* got 2"):
        array.write(2, torch.ones(2))
    with pytest.raises(IndexError, match="got -1"):
        array.read(-1)
    with pytest.raises(ValueError, match=r"expected \[2\] torch.float32, got \[3\] torch.float32 at 1"):
        array.write(1, torch.ones(3))
    with pytest.raises(ValueError, match=r"got \[2\] torch.float64 at 1"):
        array.write(1, torch.ones(2).double())
    with pytest.raises(TypeError, match="must be tensors, got int at 0"):
        TensorArray([1])  # type: ignore[list-item]
    with pytest.raises(ValueError, match="must have rank 1 or more"):
        array.unstack(torch.ones(()))
    with pytest.raises(ValueError, match="elements of rank 1 or more"):
        TensorArray([torch.ones(())]).concat()
