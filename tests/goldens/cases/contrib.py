"""Cells and wrappers of ``tf.contrib.rnn``, which TensorFlow 2 does not have: the oracle is numpy.

Each formula is written here once more, row by row and step by step as SEMANTICS sections 2.1, 3 and 4 state it, in
float64. Gradients are taken by the complex step: f'(x) = Im f(x + ih) / h, which has no cancellation, so that h can be
1e-30 and the derivative is exact to rounding; hence formulas here use nothing that is not analytic.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy

from goldens.harness import Program, Record, Value, case, feeds_of, fixed, flatten, gradients_of, weight

BATCH, TIME, DEPTH, UNITS = 4, 5, 3, 4
LENGTHS = [5, 0, 2, 3]
STEP = 1e-30

Step = Callable[[dict[str, Any], Any, list[Any]], tuple[Any, list[Any]]]


def sigmoid(x: Any) -> Any:
    """The logistic function, for complex arguments too."""
    return 1 / (1 + numpy.exp(-x))


def layer_norm(x: Any, gamma: Any, beta: Any) -> Any:
    """Over the last axis, with the biased variance."""
    centred = x - x.mean(axis=-1, keepdims=True)
    return gamma * centred / numpy.sqrt((centred * centred).mean(axis=-1, keepdims=True) + 1e-12) + beta


def lstm_step(scope: str, forget_bias: float = 1.0) -> Step:
    """``BasicLSTMCell``; gates i, j, f, o."""

    def step(p: dict[str, Any], x: Any, state: list[Any]) -> tuple[Any, list[Any]]:
        c, h = state
        z = numpy.concatenate([x, h], axis=1) @ p[f"{scope}/kernel"] + p[f"{scope}/bias"]
        i, j, f, o = numpy.split(z, 4, axis=1)
        c = sigmoid(f + forget_bias) * c + sigmoid(i) * numpy.tanh(j)
        h = numpy.tanh(c) * sigmoid(o)
        return h, [c, h]

    return step


def gru_step(scope: str) -> Step:
    """``GRUCell``: the reset gate acts before the product, the update gate weighs the old state."""

    def step(p: dict[str, Any], x: Any, state: list[Any]) -> tuple[Any, list[Any]]:
        (h,) = state
        gates = sigmoid(numpy.concatenate([x, h], axis=1) @ p[f"{scope}/gates/kernel"] + p[f"{scope}/gates/bias"])
        r, u = numpy.split(gates, 2, axis=1)
        candidate = (
            numpy.concatenate([x, r * h], axis=1) @ p[f"{scope}/candidate/kernel"] + p[f"{scope}/candidate/bias"]
        )
        h = u * h + (1 - u) * numpy.tanh(candidate)
        return h, [h]

    return step


def layer_norm_lstm_step(scope: str, forget_bias: float, normed: bool) -> Step:
    """``LayerNormBasicLSTMCell``: each gate and the new c normed on its own; the normed c is what is stored."""

    def step(p: dict[str, Any], x: Any, state: list[Any]) -> tuple[Any, list[Any]]:
        def norm(value: Any, name: str) -> Any:
            if not normed:
                return value
            return layer_norm(value, p[f"{scope}/{name}/gamma"], p[f"{scope}/{name}/beta"])

        c, h = state
        z = numpy.concatenate([x, h], axis=1) @ p[f"{scope}/kernel"]
        if not normed:
            z = z + p[f"{scope}/bias"]
        i, j, f, o = numpy.split(z, 4, axis=1)
        i, j, f, o = norm(i, "input"), norm(j, "transform"), norm(f, "forget"), norm(o, "output")
        c = norm(c * sigmoid(f + forget_bias) + sigmoid(i) * numpy.tanh(j), "state")
        h = numpy.tanh(c) * sigmoid(o)
        return h, [c, h]

    return step


def highway_step(inner: Step, scope: str, coupled: bool) -> Step:
    """``HighwayWrapper``: a gate carries the input past the cell."""

    def step(p: dict[str, Any], x: Any, state: list[Any]) -> tuple[Any, list[Any]]:
        y, state = inner(p, x, state)
        carry = sigmoid(x @ p[f"{scope}carry_w"] + p[f"{scope}carry_b"])
        transform = 1 - carry if coupled else sigmoid(x @ p[f"{scope}transform_w"] + p[f"{scope}transform_b"])
        return x * carry + y * transform, state

    return step


def projected_step(inner: Step, scope: str, where: str, activation: Any) -> Step:
    """``InputProjectionWrapper`` and ``OutputProjectionWrapper``: an affine map before or after the cell."""

    def step(p: dict[str, Any], x: Any, state: list[Any]) -> tuple[Any, list[Any]]:
        def project(value: Any) -> Any:
            return activation(value @ p[f"{scope}/kernel"] + p[f"{scope}/bias"])

        y, state = inner(p, project(x) if where == "input" else x, state)
        return (project(y) if where == "output" else y), state

    return step


def embedded_step(inner: Step, scope: str) -> Step:
    """``EmbeddingWrapper``: ids, of shape [rows] or [rows, 1], to rows of a table."""

    def step(p: dict[str, Any], x: Any, state: list[Any]) -> tuple[Any, list[Any]]:
        return inner(p, p[f"{scope}/embedding"][x.reshape(-1)], state)

    return step


@dataclasses.dataclass(frozen=True)
class Model:
    """A contrib cell: how to make it, its variables in the order of creation, its formula, its states."""

    make: Callable[[Any], Any]
    variables: Callable[[str], list[tuple[str, list[int]]]]
    step: Callable[[str], Step]
    states: tuple[str, ...]
    width: int = UNITS
    ids: bool = False


def _lstm(scope: str, depth: int) -> list[tuple[str, list[int]]]:
    return [(f"{scope}/kernel", [depth + UNITS, 4 * UNITS]), (f"{scope}/bias", [4 * UNITS])]


def _gru(scope: str, depth: int, units: int = UNITS) -> list[tuple[str, list[int]]]:
    return [
        (f"{scope}/gates/kernel", [depth + units, 2 * units]),
        (f"{scope}/gates/bias", [2 * units]),
        (f"{scope}/candidate/kernel", [depth + units, units]),
        (f"{scope}/candidate/bias", [units]),
    ]


def _layer_norm(scope: str, normed: bool) -> list[tuple[str, list[int]]]:
    kernel = (f"{scope}/kernel", [DEPTH + UNITS, 4 * UNITS])
    if not normed:
        return [kernel, (f"{scope}/bias", [4 * UNITS])]
    gates = ("input", "transform", "forget", "output", "state")
    return [kernel, *((f"{scope}/{gate}/{name}", [UNITS]) for gate in gates for name in ("gamma", "beta"))]


def _same(x: Any) -> Any:
    return x


LAYER_NORM = "layer_norm_basic_lstm_cell"
MODELS = {
    "LayerNormBasicLSTMCell": Model(
        lambda tf: tf.contrib.rnn.LayerNormBasicLSTMCell(UNITS),
        lambda scope: _layer_norm(scope + LAYER_NORM, True),
        lambda scope: layer_norm_lstm_step(scope + LAYER_NORM, 1.0, True),
        ("/c", "/h"),
    ),
    "LayerNormBasicLSTMCell-forget": Model(
        lambda tf: tf.contrib.rnn.LayerNormBasicLSTMCell(UNITS, forget_bias=0.25, norm_gain=0.5, norm_shift=0.1),
        lambda scope: _layer_norm(scope + LAYER_NORM, True),
        lambda scope: layer_norm_lstm_step(scope + LAYER_NORM, 0.25, True),
        ("/c", "/h"),
    ),
    "LayerNormBasicLSTMCell-plain": Model(
        lambda tf: tf.contrib.rnn.LayerNormBasicLSTMCell(UNITS, layer_norm=False),
        lambda scope: _layer_norm(scope + LAYER_NORM, False),
        lambda scope: layer_norm_lstm_step(scope + LAYER_NORM, 1.0, False),
        ("/c", "/h"),
    ),
    "HighwayWrapper": Model(
        lambda tf: tf.contrib.rnn.HighwayWrapper(tf.contrib.rnn.GRUCell(DEPTH)),
        lambda scope: [
            *_gru(f"{scope}gru_cell", DEPTH, DEPTH),
            (f"{scope}carry_w", [DEPTH, DEPTH]),
            (f"{scope}carry_b", [DEPTH]),
        ],
        lambda scope: highway_step(gru_step(f"{scope}gru_cell"), scope, True),
        ("",),
        width=DEPTH,
    ),
    "HighwayWrapper-uncoupled": Model(
        lambda tf: tf.contrib.rnn.HighwayWrapper(
            tf.contrib.rnn.GRUCell(DEPTH), couple_carry_transform_gates=False, carry_bias_init=0.5
        ),
        lambda scope: [
            *_gru(f"{scope}gru_cell", DEPTH, DEPTH),
            *(
                (f"{scope}{gate}_{part}", [DEPTH, DEPTH][: 2 - (part == "b")])
                for gate in ("carry", "transform")
                for part in "wb"
            ),
        ],
        lambda scope: highway_step(gru_step(f"{scope}gru_cell"), scope, False),
        ("",),
        width=DEPTH,
    ),
    "InputProjectionWrapper": Model(
        lambda tf: tf.contrib.rnn.InputProjectionWrapper(tf.contrib.rnn.BasicLSTMCell(UNITS), 2),
        lambda scope: [
            (f"{scope}input_projection_wrapper/kernel", [DEPTH, 2]),
            (f"{scope}input_projection_wrapper/bias", [2]),
            *_lstm(f"{scope}input_projection_wrapper/basic_lstm_cell", 2),
        ],
        lambda scope: projected_step(
            lstm_step(f"{scope}input_projection_wrapper/basic_lstm_cell"),
            f"{scope}input_projection_wrapper",
            "input",
            _same,
        ),
        ("/c", "/h"),
    ),
    "InputProjectionWrapper-tanh": Model(
        lambda tf: tf.contrib.rnn.InputProjectionWrapper(tf.contrib.rnn.GRUCell(UNITS), 5, activation=tf.tanh),
        lambda scope: [
            (f"{scope}input_projection_wrapper/kernel", [DEPTH, 5]),
            (f"{scope}input_projection_wrapper/bias", [5]),
            *_gru(f"{scope}input_projection_wrapper/gru_cell", 5),
        ],
        lambda scope: projected_step(
            gru_step(f"{scope}input_projection_wrapper/gru_cell"),
            f"{scope}input_projection_wrapper",
            "input",
            numpy.tanh,
        ),
        ("",),
    ),
    "OutputProjectionWrapper": Model(
        lambda tf: tf.contrib.rnn.OutputProjectionWrapper(tf.contrib.rnn.BasicLSTMCell(UNITS), output_size=2),
        lambda scope: [
            *_lstm(f"{scope}output_projection_wrapper/basic_lstm_cell", DEPTH),
            (f"{scope}output_projection_wrapper/kernel", [UNITS, 2]),
            (f"{scope}output_projection_wrapper/bias", [2]),
        ],
        lambda scope: projected_step(
            lstm_step(f"{scope}output_projection_wrapper/basic_lstm_cell"),
            f"{scope}output_projection_wrapper",
            "output",
            _same,
        ),
        ("/c", "/h"),
        width=UNITS,
    ),
    "OutputProjectionWrapper-sigmoid": Model(
        lambda tf: tf.contrib.rnn.OutputProjectionWrapper(tf.contrib.rnn.GRUCell(UNITS), 2, activation=tf.sigmoid),
        lambda scope: [
            *_gru(f"{scope}output_projection_wrapper/gru_cell", DEPTH),
            (f"{scope}output_projection_wrapper/kernel", [UNITS, 2]),
            (f"{scope}output_projection_wrapper/bias", [2]),
        ],
        lambda scope: projected_step(
            gru_step(f"{scope}output_projection_wrapper/gru_cell"),
            f"{scope}output_projection_wrapper",
            "output",
            sigmoid,
        ),
        ("",),
    ),
    "EmbeddingWrapper": Model(
        lambda tf: tf.contrib.rnn.EmbeddingWrapper(
            tf.contrib.rnn.BasicLSTMCell(UNITS), embedding_classes=6, embedding_size=3
        ),
        lambda scope: [
            (f"{scope}embedding_wrapper/embedding", [6, 3]),
            *_lstm(f"{scope}embedding_wrapper/basic_lstm_cell", 3),
        ],
        lambda scope: embedded_step(
            lstm_step(f"{scope}embedding_wrapper/basic_lstm_cell"), f"{scope}embedding_wrapper"
        ),
        ("/c", "/h"),
        ids=True,
    ),
}


def _inputs(model: Model, steps: int | None) -> Any:
    shape = [BATCH, *([] if steps is None else [steps]), 1 if model.ids else DEPTH]
    return fixed("contrib inputs", shape, "int32" if model.ids else "float64", 6 if model.ids else 2.0)


def _unroll(
    step: Step, p: dict[str, Any], x: Any, state: list[Any], lengths: list[int] | None
) -> tuple[Any, list[Any]]:
    """One step when there are no lengths; else the law: zeros and the untouched state from each row's length on."""
    if lengths is None:
        return step(p, x, state)
    outputs = []
    for t in range(x.shape[1]):
        live = (t < numpy.array(lengths))[:, None]
        y, new = step(p, x[:, t], state)
        outputs.append(numpy.where(live, y, 0))
        state = [numpy.where(live, after, before) for after, before in zip(new, state, strict=True)]
    return numpy.stack(outputs, axis=1), state


def replaced(x: Any, states: dict[str, Any], weights: dict[str, Any], which: int, name: str, value: Any) -> Any:
    """The arguments of a model with one state (``which`` 1) or weight (2) replaced."""
    if which == 1:
        return x, {**states, name: value}, weights
    return x, states, {**weights, name: value}


def _reference(model: Model, lengths: list[int] | None) -> Callable[[Any], Record]:
    def reference(np: Any) -> Record:
        scope = "" if lengths is None else "rnn/"
        x = _inputs(model, None if lengths is None else TIME)
        states = {f"initial{s}": fixed(f"contrib {s}", [BATCH, model.width], "float64") for s in model.states}
        variables = model.variables(scope)
        weights = {name: weight(name, shape, "float64") for name, shape in variables}
        step = model.step(scope)

        def total(x: Any, states: dict[str, Any], weights: dict[str, Any]) -> tuple[Any, Any, list[Any]]:
            y, final = _unroll(step, weights, x, list(states.values()), lengths)
            leaves = [y, *final]
            return sum(((leaf * leaf + 0.5 * leaf).sum() for leaf in leaves), 0.0), y, final

        def derivative(array: Any, put: Callable[[Any], tuple[Any, dict[str, Any], dict[str, Any]]]) -> Any:
            gradient = np.zeros(array.shape)
            for index in np.ndindex(*array.shape):
                moved = array.astype(complex)
                moved[index] += STEP * 1j
                gradient[index] = total(*put(moved))[0].imag / STEP
            return gradient

        _, y, final = total(x, states, weights)
        values = {"output": y, **{f"state{s}": leaf for s, leaf in zip(model.states, final, strict=True)}}
        record = Record({k: Value(v, "float64", list(v.shape)) for k, v in values.items()})
        gradients = {}
        if not model.ids:
            gradients["inputs"] = derivative(x, lambda moved: (moved, states, weights))
        for name, array in states.items():
            gradients[name] = derivative(array, partial(replaced, x, states, weights, 1, name))
        for name, array in weights.items():
            gradients[name] = derivative(array, partial(replaced, x, states, weights, 2, name))
        record.values.update({f"grad/{k}": Value(v, "float64") for k, v in gradients.items()})
        record.variables = [(name, shape, "float64") for name, shape in variables]
        record.trainable = [name for name, _ in variables]
        record.weights = weights
        return record

    return reference


def _program(model: Model, lengths: list[int] | None) -> Callable[[Any, Any], Program]:
    def program(tf: Any, np: Any) -> Program:
        array = _inputs(model, None if lengths is None else TIME)
        x = tf.placeholder(str(array.dtype), array.shape, name="inputs")
        cell = model.make(tf)
        arrays = [fixed(f"contrib {s}", [BATCH, model.width], "float64") for s in model.states]
        flat = [tf.placeholder(tf.float64, [BATCH, model.width]) for _ in arrays]
        state = tf.nn.rnn_cell.LSTMStateTuple(*flat) if len(flat) == 2 else flat[0]
        if lengths is None:
            output, new = cell(x, state)
        else:
            output, new = tf.nn.dynamic_rnn(cell, x, lengths, initial_state=state)
        wrt = {} if model.ids else {"inputs": x}
        wrt.update(dict(flatten(state, "initial")))
        wrt.update({v.op.name: v for v in tf.trainable_variables()})
        leaves = [output, *(leaf for _, leaf in flatten(new, ""))]
        feeds = {x: array, **feeds_of(flat, arrays)}
        return Program({"output": output, "state": new, **gradients_of(tf, leaves, wrt)}, feeds)

    program.__module__ = __name__
    return program


for _name, _model in MODELS.items():
    for _how, _lengths in (("call", None), ("dynamic_rnn", LENGTHS)):
        case(f"{_how}/{_name}", reference=_reference(_model, _lengths))(_program(_model, _lengths))


def _initial_reference(np: Any) -> Record:
    """What the biases of the gates and the norms start from."""
    record = Record()
    constants = {"carry_b": 0.5, "transform_b": -0.5, "gamma": 0.25, "beta": 0.125}
    for model in (MODELS["HighwayWrapper-uncoupled"], MODELS["LayerNormBasicLSTMCell"]):
        for name, shape in model.variables(""):
            record.variables.append((name, shape, "float32"))
            record.trainable.append(name)
            start = constants.get(name.rsplit("/", 1)[-1])
            if start is not None:
                record.values[name] = Value(np.full(shape, start, np.float32), "float32", shape)
    return record


@case("initial-values", load=False, reference=_initial_reference)
def initial_values(tf: Any, np: Any) -> Program:
    x = tf.zeros([BATCH, DEPTH])
    for cell in (
        tf.contrib.rnn.HighwayWrapper(
            tf.contrib.rnn.GRUCell(DEPTH), couple_carry_transform_gates=False, carry_bias_init=0.5
        ),
        tf.contrib.rnn.LayerNormBasicLSTMCell(UNITS, norm_gain=0.25, norm_shift=0.125),
    ):
        cell(x, cell.zero_state(BATCH, tf.float32))
    ends = ("carry_b", "transform_b", "gamma", "beta")
    return Program({v.op.name: v for v in tf.global_variables() if v.op.name.endswith(ends)})
