"""`LazyWeights`, a module whose weights are made when their shapes are known, and `Dense`, a matrix of that kind."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from dynrnn.cells.arguments import positive_int
from dynrnn.cells.base import autocasts
from dynrnn.cells.initializers import resolve

__all__ = ["Dense", "LazyWeights"]


class LazyWeights(torch.nn.Module):
    """A module whose weights are declared first and made once their sizes and dtype are known.

    ``load_state_dict`` makes them from what comes.

    Args:
        dtype: of the weights; that of the first tensor the module sees when None.
        device: of the weights; that of the first tensor the module sees when None.

    Raises:
        TypeError: ``dtype`` is not a torch dtype.
        ValueError: ``dtype`` is not floating.
    """

    def __init__(self, dtype: torch.dtype | None = None, device: Any = None):
        super().__init__()
        if dtype is not None and not isinstance(dtype, torch.dtype):
            raise TypeError(f"expected dtype to be a torch.dtype, got {type(dtype).__name__} {dtype!r}")
        if dtype is not None and not dtype.is_floating_point:
            raise ValueError(f"expected dtype to be floating, got {dtype}")
        self._dtype = dtype
        self._device = None if device is None else torch.device(device)
        self._declared: dict[str, tuple[tuple[int | None, ...], Any]] = {}

    @property
    def dtype(self) -> torch.dtype | None:
        """Dtype of the weights, None while it is open."""
        return self._dtype

    def declare(self, name: str, shape: Sequence[int | None], initializer: Any = None) -> None:
        """Announce a weight, which is None until `make`.

        Args:
            name: its attribute.
            shape: with None for the size that is still open.
            initializer: as of ``RNNCell.add_weight``.
        """
        self.register_parameter(name, None)
        self._declared[name] = (tuple(shape), initializer)

    def make(self, size: int | None = None, like: torch.Tensor | None = None) -> None:
        """Make the weights that are not made yet; those with an open size only when ``size`` is given.

        Args:
            size: what was open in the shapes.
            like: has the dtype and device, where the module was given none.
        """
        self._dtype = self._dtype or (torch.get_default_dtype() if like is None else like.dtype)
        if self._device is None and like is not None:
            self._device = like.device
        for name, (shape, _) in self._declared.items():
            if getattr(self, name) is None and (size is not None or None not in shape):
                self._make(name, [size if dim is None else dim for dim in shape])

    def _make(self, name: str, shape: Sequence[int | None]) -> None:
        # weights made in inference mode could never be trained
        with torch.inference_mode(False):
            tensor = torch.empty([int(dim or 0) for dim in shape], dtype=self._dtype, device=self._device)
            with torch.no_grad():
                resolve(self._declared[name][1])(tensor)
            setattr(self, name, torch.nn.Parameter(tensor))

    def _apply(self, fn: Any, *args: Any, **kwargs: Any) -> LazyWeights:
        """``.to()`` and its like: what they do to the weights they do to those still to be made."""
        super()._apply(fn, *args, **kwargs)
        half, single = (torch.empty(0, dtype=dtype, device=self._device) for dtype in (torch.float16, torch.float32))
        moved_half, moved = fn(half), fn(single)
        if moved_half.dtype == moved.dtype:
            self._dtype = moved.dtype
        if moved.device != single.device:
            self._device = moved.device
        return self

    def _load_from_state_dict(self, state_dict: Mapping[str, Any], prefix: str, *args: Any, **kwargs: Any) -> None:
        for name, (shape, _) in self._declared.items():
            comes = state_dict.get(prefix + name)
            if getattr(self, name) is not None or not isinstance(comes, torch.Tensor):
                continue
            if len(comes.shape) == len(shape) and all(d in (None, c) for d, c in zip(shape, comes.shape, strict=True)):
                self._dtype = self._dtype or comes.dtype
                self._make(name, comes.shape)
        super()._load_from_state_dict(state_dict, prefix, *args, **kwargs)


class Dense(LazyWeights):
    """``x @ kernel``, without a bias.

    Args:
        units: width of the result.
        dtype: of the kernel; that of the first input when None.
        device: of the kernel; that of the first input when None.
        input_size: D; the kernel [D, units] is made at once when given, else at the first call.

    Raises:
        TypeError, ValueError: ``units`` or ``input_size`` is not a positive integer; as `LazyWeights`; when called, an
            input of another width or dtype than the kernel.
    """

    kernel: torch.nn.Parameter

    def __init__(self, units: int, *, dtype: Any = None, device: Any = None, input_size: int | None = None):
        super().__init__(dtype, device)
        self.units = positive_int("units", units)
        self.declare("kernel", [None, self.units])
        if input_size is not None:
            self.make(positive_int("input_size", input_size))

    @property
    def input_size(self) -> int | None:
        """D, None while it is open."""
        return None if self.kernel is None else self.kernel.shape[0]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """[..., D] -> [..., units]."""
        if self.kernel is None:
            self.make(x.shape[-1], x)
        kernel = self.kernel
        if x.shape[-1] != kernel.shape[0]:
            raise ValueError(
                f"expected an input of width {kernel.shape[0]}, which the kernel was made for, got shape "
                f"{list(x.shape)}"
            )
        if x.dtype != kernel.dtype and not autocasts(x):
            raise TypeError(f"expected an input of the dtype of the kernel, {kernel.dtype}, got {x.dtype}")
        return torch.matmul(x, kernel)

    def extra_repr(self) -> str:
        """The sizes."""
        return f"input_size={self.input_size}, units={self.units}"
