"""`AttentionCellWrapper`: a cell that attends to its own latest outputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from dynrnn import nest
from dynrnn.cells.arguments import positive_int, width_of
from dynrnn.cells.base import affine
from dynrnn.cells.initializers import Constant
from dynrnn.cells.wrapper import CellWrapper, ensure_built, zero_state_of

__all__ = ["AttentionCellWrapper"]


class AttentionCellWrapper(CellWrapper):
    """A cell with attention to a window of its latest outputs.

    ::

        z, new = cell([x, d] W + b, s)                     s is the cell's state, d what was attended to before
        e_k = v . tanh(a_k U + q)                          for each a_k of the window, q = [new] W_q + b_q
        d'  = sum_k softmax(e)_k a_k
        y   = [z, d'] W_o + b_o
        output y, state (new, d', [a_2, ..., a_L, y])

    Source: Cheng et al., "Long Short-Term Memory-Networks for Machine Reading", 2016.

    Weights, for inputs of width D, I (``input_size`` or D), attention vectors of width A and V hidden features:
    ``kernel`` [D + A, I], ``bias`` [I] (zeros), the cell's, ``attention.attn_w`` [1, 1, A, V], ``attention.attn_v``
    [V], ``attention.kernel`` [width of the cell's state, V], ``attention.bias`` [V] (zeros),
    ``attn_output_projection.kernel`` [width of the cell's output + A, A], ``attn_output_projection.bias`` [A] (zeros).
    Inputs are [B, D], the output [B, A], the state (cell's, [B, A], [B, L A]), or all of it side by side.

    Args:
        cell: any callable with ``state_size`` and ``output_size``.
        attn_length: L, how many outputs the window has.
        attn_size: A; the width of the cell's output when None.
        attn_vec_size: V; A when None.
        input_size: I; D when None.
        state_is_tuple: False makes the state one tensor, of a cell whose state is one.
        reuse: variable sharing of the TensorFlow 1 face; no meaning in torch.
        name: the scope instead of ``attention_cell_wrapper``.
        dtype: of the weights; that of the first input when None.
        device: of the weights; that of the first input when None.

    Raises:
        TypeError: ``cell`` is not a cell, or an argument has the wrong type.
        ValueError: a size below 1, a cell whose state is a tuple without ``state_is_tuple``, or inputs or state of
            another shape.
    """

    kernel: Any
    bias: Any
    attention: Any
    attn_output_projection: Any

    def __init__(
        self,
        cell: Any,
        attn_length: int,
        attn_size: int | None = None,
        attn_vec_size: int | None = None,
        input_size: int | None = None,
        state_is_tuple: bool = True,
        reuse: bool | None = None,
        *,
        name: str | None = None,
        dtype: Any = None,
        device: Any = None,
    ):
        # TensorFlow's input_size is not the width of the inputs, and builds nothing
        super().__init__(cell, name=name, dtype=dtype, device=device)
        if nest.is_nested(cell.state_size) and not state_is_tuple:
            raise ValueError(
                "Cell returns tuple of states, but the flag state_is_tuple is not set. "
                f"State size is: {cell.state_size}"
            )
        if isinstance(attn_length, int) and attn_length <= 0:
            raise ValueError(f"attn_length should be greater than zero, got {attn_length}")
        self._attn_length = positive_int("attn_length", attn_length)
        self._attn_size = positive_int("attn_size", cell.output_size if attn_size is None else attn_size)
        self._attn_vec_size = positive_int("attn_vec_size", self._attn_size if attn_vec_size is None else attn_vec_size)
        self._projected = None if input_size is None else positive_int("input_size", input_size)
        self._state_is_tuple = bool(state_is_tuple)
        self._reuse = reuse

    @property
    def _widths(self) -> list[int]:
        return [self._attn_size, self._attn_size * self._attn_length]

    @property
    def state_size(self) -> Any:
        """``(the cell's, A, L A)``, or their sum."""
        if self._state_is_tuple:
            return (self.cell.state_size, *self._widths)
        return self.cell.state_size + sum(self._widths)

    @property
    def output_size(self) -> int:
        """A."""
        return self._attn_size

    def zero_state(self, batch_size: Any, dtype: Any = None, *, device: Any = None) -> Any:
        """The cell's zero state and zeros; see `RNNCell.zero_state`."""
        inner = zero_state_of(self.cell, batch_size, dtype, device)
        first = nest.flatten(inner)[0]
        zeros = [torch.zeros(first.shape[0], width, dtype=first.dtype, device=first.device) for width in self._widths]
        return (inner, *zeros) if self._state_is_tuple else torch.cat([inner, *zeros], 1)

    def build(self, depth: int) -> None:
        """Create the weights for inputs of width ``depth``."""
        width = self._projected or depth
        self.add_weight("kernel", [depth + self._attn_size, width])
        self.add_weight("bias", [width], Constant(0.0))

    def _build_attention(self) -> None:
        """The weights that come after the cell's."""
        if "attention/attn_w" in self._weight_names:
            return
        a, v = self._attn_size, self._attn_vec_size
        self.add_weight("attention/attn_w", [1, 1, a, v])
        self.add_weight("attention/attn_v", [v])
        self.add_weight("attention/kernel", [sum(nest.flatten(self.cell.state_size)), v])
        self.add_weight("attention/bias", [v], Constant(0.0))
        self.add_weight("attn_output_projection/kernel", [self.cell.output_size + a, a])
        self.add_weight("attn_output_projection/bias", [a], Constant(0.0))

    def infer_depth(self, shapes: Mapping[str, torch.Size]) -> int | None:
        """The width of the inputs these weights take."""
        return shapes["kernel"][0] - self._attn_size

    def _build(self, depth: int, dtype: Any, device: Any) -> None:
        super()._build(depth, dtype, device)
        ensure_built(self.cell, self._projected or depth, self._dtype)
        self._build_attention()

    def ensure_built(self, depth: int, dtype: torch.dtype | None = None) -> None:
        """Build this one's weights and the cell for what it is fed; see `RNNCell.ensure_built`."""
        super(CellWrapper, self).ensure_built(depth, dtype)

    def _taken_apart(self, inputs: Any, state: Any) -> tuple[Any, Any, Any]:
        if not self._state_is_tuple:
            self._check_state(inputs, state, self.state_size)
            inner, attended, window = torch.split(state, [self.cell.state_size, *self._widths], dim=1)
            return inner, attended, window
        if not isinstance(state, Sequence) or len(state) != 3:
            raise ValueError(
                f"expected state of {self.scope_name} to be a tuple (cell state, attention, window), "
                f"got {type(state).__name__}"
            )
        inner, attended, window = state
        self._check_state(inputs, attended, self._widths[0], "state[1]")
        self._check_state(inputs, window, self._widths[1], "state[2]")
        return inner, attended, window

    def forward(self, inputs: Any, state: Any) -> tuple[Any, Any]:
        """One step: inputs [B, D] -> (output [B, A], new state)."""
        inner, attended, window = self._taken_apart(inputs, state)
        self._prepare(inputs)
        fed = affine(torch.cat([inputs, attended], 1), self.kernel, self.bias)
        cell_output, new_inner = self.cell(fed, inner)
        self._build_attention()
        query = nest.flatten(new_inner)
        attended = self._attend(torch.cat(query, 1) if len(query) > 1 else query[0], window)
        projection = self.attn_output_projection
        output = affine(torch.cat([cell_output, attended], 1), projection.kernel, projection.bias)
        width = self._attn_size
        kept = [] if self._attn_length == 1 else [torch.narrow(window, 1, width, width_of(window) - width)]
        window = torch.cat([*kept, output], 1)
        if self._state_is_tuple:
            return output, (new_inner, attended, window)
        return output, torch.cat([new_inner, attended, window], 1)

    def _attend(self, query: Any, window: Any) -> Any:
        """What the query [B, ...] draws from the window [B, L A], side by side so that every value is a row."""
        weights, a, v = self.attention, self._attn_size, self._attn_vec_size
        hidden = affine(query, weights.kernel, weights.bias)
        features = torch.reshape(weights.attn_w, [a, v])
        past = torch.split(window, a, dim=1) if self._attn_length > 1 else [window]
        scores = [
            torch.sum(weights.attn_v * torch.tanh(torch.matmul(one, features) + hidden), dim=1, keepdim=True)
            for one in past
        ]
        shares = torch.split(torch.softmax(torch.cat(scores, 1), -1), 1, dim=1)
        attended = shares[0] * past[0]
        for share, one in zip(shares[1:], past[1:], strict=True):
            attended = attended + share * one
        return attended
