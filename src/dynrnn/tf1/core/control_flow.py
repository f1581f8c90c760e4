"""Control flow: ``cond``, ``case``, ``while_loop``, ``group`` and their like.

Branches and loop bodies are traced into bodies (:class:`dynrnn.tf1.core.graph.Body`), and one node runs them: the
branch that is taken, or the loop until its condition fails. The derivative through a node is autograd's, since the
bodies' kernels run under it like all others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch

from dynrnn import nest
from dynrnn.tf1.core import dtypes
from dynrnn.tf1.core.build import of_dtype
from dynrnn.tf1.core.convert import convert_to_tensor
from dynrnn.tf1.core.graph import Body, Graph, Operation, get_default_graph, name_scope
from dynrnn.tf1.core.plan import body_program
from dynrnn.tf1.core.registry import Spec, register
from dynrnn.tf1.core.tensor import Tensor
from dynrnn.tf1.core.tensor_shape import TensorShape, as_shape

__all__ = [
    "case",
    "cond",
    "from_tensors",
    "group",
    "no_op",
    "to_tensors",
    "trace",
    "tuple_",
    "while_loop",
    "with_dependencies",
]


@register("BodyInput", stateful=True)
def _body_input() -> Any:
    raise RuntimeError("a body's input was run outside its node; this is a bug")


def trace(graph: Graph, specs: Sequence[Spec], function: Callable[..., Sequence[Tensor]]) -> Body:
    """Trace ``function`` on inputs of the given dtypes and shapes; it returns the list of the body's outputs."""
    body, outputs = _traced(graph, specs, function)
    body.seal(outputs)
    return body


def _traced(
    graph: Graph, specs: Sequence[Spec], function: Callable[..., Sequence[Tensor]]
) -> tuple[Body, Sequence[Tensor]]:
    with graph.trace_body() as body:
        body.inputs = [graph.create_op("BodyInput", [], None, "arg", specs=[spec]).outputs[0] for spec in specs]
        return body, function(*body.inputs)


def to_tensors(structure: Any) -> list[Tensor]:
    """The leaves of a nest as tensors; a TensorArray counts as its flow."""
    return [_leaf_tensor(leaf) for leaf in nest.flatten(structure)]


def _leaf_tensor(leaf: Any) -> Tensor:
    if hasattr(leaf, "_fetch_components"):
        raise TypeError(
            "loops, branches and recurrent steps cannot take or return a SparseTensor in dynrnn: hand on its indices, "
            f"values and dense_shape, got {leaf}"
        )
    flow = getattr(leaf, "_flow_tensor", None)
    return flow() if flow is not None else convert_to_tensor(leaf)


def from_tensors(like: Any, tensors: Iterable[Tensor]) -> Any:
    """``tensors`` in the structure of ``like``, TensorArrays made again from their flows."""
    leaves = []
    for leaf, tensor in zip(nest.flatten(like), tensors, strict=True):
        rebuild = getattr(leaf, "_with_flow", None)
        leaves.append(tensor if rebuild is None else rebuild(tensor))
    return nest.pack_as(like, leaves)


# --- cond -------------------------------------------------------------------------------------------------------------


@register("Cond", needs_run=True, stateful=True)
def _cond(run: Any, pred: torch.Tensor, *captured: Any, bodies: tuple[Body, Body], split: int) -> Any:
    if bool(pred):
        return body_program(bodies[0])(run, captured[:split], ())
    return body_program(bodies[1])(run, captured[split:], ())


def cond(
    pred: Any,
    true_fn: Callable[[], Any] | None = None,
    false_fn: Callable[[], Any] | None = None,
    strict: bool = False,
    name: str | None = None,
    fn1: Callable[[], Any] | None = None,
    fn2: Callable[[], Any] | None = None,
) -> Any:
    """The result of ``true_fn()`` or of ``false_fn()``, as the boolean tensor ``pred`` says at run time.

    Only operations made inside the functions are conditional. Both must give the same structure and dtypes.

    Raises:
        TypeError: a ``pred`` that is a Python bool or no bool tensor, or a function that is not callable.
        ValueError: different structures or dtypes, no result, or a ``pred`` that is no scalar.
    """
    true_fn, false_fn = fn1 if true_fn is None else true_fn, fn2 if false_fn is None else false_fn
    if not callable(true_fn):
        raise TypeError("true_fn must be callable.")
    if not callable(false_fn):
        raise TypeError("false_fn must be callable.")
    if isinstance(pred, bool):
        raise TypeError("pred must not be a Python bool")
    with name_scope(name, "cond"):
        condition = of_dtype(pred, dtypes.bool_, "Cond", "pred")
        if condition.shape.ndims not in (0, None):
            raise ValueError(f"pred must be a scalar, got shape {condition.shape}")
        graph = condition.graph
        structures: list[Any] = []

        def branch(label: str, function: Callable[[], Any]) -> Callable[[], list[Tensor]]:
            def run() -> list[Tensor]:
                result = function()
                if result is None:
                    raise ValueError(f"{label} must have a return value.")
                if not strict:
                    result = _unpacked(result)
                flat = [_branch_leaf(leaf, condition) for leaf in nest.flatten(result)]
                structures.append(result)
                return flat

            return run

        true_body = trace(graph, [], branch("true_fn", true_fn))
        false_body = trace(graph, [], branch("false_fn", false_fn))
        true_result, false_result = structures
        if nest.structure(true_result) != nest.structure(false_result):
            raise ValueError(
                "Incompatible return values of true_fn and false_fn: "
                f"expected the same structure, got {nest.describe(true_result)} and {nest.describe(false_result)}"
            )
        specs = [_merged_spec(a, b) for a, b in zip(true_body.outputs, false_body.outputs, strict=True)]
        node = graph.create_op(
            "Cond",
            [condition, *true_body.captures, *false_body.captures],
            {"bodies": (true_body, false_body), "split": len(true_body.captures)},
            "If",
            specs=specs,
            after=[*true_body.dependencies, *false_body.dependencies],
        )
        merged = [_named(graph, tensor, "Merge") for tensor in node.outputs]
        return from_tensors(nest.map_structure(_without_operation, true_result), merged)


def _unpacked(result: Any) -> Any:
    """The only element of a list or tuple of one."""
    while isinstance(result, (list, tuple)) and len(result) == 1 and not hasattr(result, "_fields"):
        result = result[0]
    return result


def _branch_leaf(leaf: Any, condition: Tensor) -> Tensor:
    if isinstance(leaf, Operation):
        # an operation has no value; the condition's value, taken after it, stands for it
        graph = condition.graph
        with graph.control_dependencies([leaf]):
            return graph.create_op("AfterControl", [condition], None, "control_dependency").outputs[0]
    return _leaf_tensor(leaf)


def _without_operation(leaf: Any) -> Any:
    return None if isinstance(leaf, Operation) else leaf


def _merged_spec(a: Tensor, b: Tensor) -> Spec:
    if a.dtype.base_dtype is not b.dtype.base_dtype:
        raise ValueError(
            f"Outputs of true_fn and false_fn must have the same type: {a.dtype.base_dtype.name}, "
            f"{b.dtype.base_dtype.name}"
        )
    if a.shape.ndims is None or b.shape.ndims is None or a.shape.ndims != b.shape.ndims:
        return a.dtype.base_dtype, TensorShape(None)
    dims = [x if x == y else None for x, y in zip(a.shape.as_list(), b.shape.as_list(), strict=True)]
    return a.dtype.base_dtype, TensorShape(dims)


def _named(graph: Graph, tensor: Tensor, name: str) -> Tensor:
    return graph.create_op("Identity", [tensor], None, name, specs=[(tensor.dtype, tensor.shape)]).outputs[0]


@register("AfterControl", lambda inputs, attrs: [(inputs[0].dtype.base_dtype, inputs[0].shape)])
def _after_control(value: Any) -> Any:
    return value


def case(
    pred_fn_pairs: Any,
    default: Callable[[], Any] | None = None,
    exclusive: bool = False,
    strict: bool = False,
    name: str = "case",
) -> Any:
    """The result of the first function whose predicate holds, else of ``default``.

    Raises:
        TypeError: not a list or dict of (predicate, function) pairs.
        ValueError: empty.
    """
    pairs = list(pred_fn_pairs.items()) if isinstance(pred_fn_pairs, dict) else list(pred_fn_pairs)
    if not pairs:
        raise ValueError("case needs at least one (predicate, function) pair")
    for pair in pairs:
        if not isinstance(pair, tuple) or len(pair) != 2 or not callable(pair[1]):
            raise TypeError(f"Each entry of pred_fn_pairs must be a (predicate, function) pair, got {pair!r}")
    with name_scope(name, "case"):
        if default is None:
            default = pairs.pop()[1]
        result: Callable[[], Any] = default
        for pred, function in reversed(pairs):
            result = _chained(pred, function, result, strict)
        return result()


def _chained(pred: Any, function: Callable[[], Any], rest: Callable[[], Any], strict: bool) -> Callable[[], Any]:
    return lambda: cond(pred, function, rest, strict=strict)


# --- while_loop -------------------------------------------------------------------------------------------------------


@register("While", needs_run=True, stateful=True)
def _while(
    run: Any,
    *values: Any,
    cond_body: Body,
    loop_body: Body,
    count: int,
    back_prop: bool,
) -> list[Any]:
    variables: Sequence[Any] = values[:count]
    split = count + len(cond_body.captures)
    test, step = body_program(cond_body), body_program(loop_body)
    with torch.set_grad_enabled(torch.is_grad_enabled() and back_prop):
        while bool(test(run, values[count:split], variables)[0]):
            variables = step(run, values[split:], variables)
    return list(variables)


def while_loop(
    cond: Callable[..., Any],
    body: Callable[..., Any],
    loop_vars: Any,
    shape_invariants: Any = None,
    parallel_iterations: int = 10,
    back_prop: bool = True,
    swap_memory: bool = False,
    name: str | None = None,
    maximum_iterations: Any = None,
    return_same_structure: bool = False,
) -> Any:
    """Repeat ``loop_vars = body(*loop_vars)`` while ``cond(*loop_vars)`` holds.

    Args:
        cond: gives a boolean scalar.
        body: gives the next values, same structure and dtypes.
        loop_vars: list or tuple of tensors, TensorArrays or nests of them.
        shape_invariants: the static shapes that hold in every iteration, where they are less than the initial ones.
        parallel_iterations, swap_memory: accepted; they change no result.
        back_prop: False: no gradients through the loop.
        maximum_iterations: a bound on the number of iterations.
        return_same_structure: keep the list around a single loop variable.

    Raises:
        TypeError: ``cond`` or ``body`` not callable, or a dtype that changes.
        ValueError: no loop variables, a structure that changes, or a shape that is not invariant.
    """
    if not callable(cond):
        raise TypeError("cond must be callable.")
    if not callable(body):
        raise TypeError("body must be callable.")
    if parallel_iterations < 1:
        raise TypeError("parallel_iterations must be a positive integer.")
    if not nest.flatten(loop_vars):
        raise ValueError("No loop variables provided")
    with name_scope(name, "while"):
        if maximum_iterations is not None:
            loop_vars, cond, body, shape_invariants = _counted(
                maximum_iterations, loop_vars, cond, body, shape_invariants
            )
        results = _build_while(cond, body, loop_vars, shape_invariants, back_prop)
        if maximum_iterations is not None:
            results = results[1]
    if not return_same_structure and isinstance(results, (list, tuple)) and len(results) == 1:
        return results[0]
    return results


def _counted(limit: Any, loop_vars: Any, cond: Any, body: Any, invariants: Any) -> tuple[Any, Any, Any, Any]:
    from dynrnn.tf1.math_ops import less, logical_and

    bound = convert_to_tensor(limit, name="maximum_iterations")
    if bound.shape.ndims not in (0, None):
        raise ValueError(f"maximum_iterations must be a scalar, saw shape: {bound.shape}")
    counter = convert_to_tensor(0, bound.dtype, name="iteration_counter")
    new_invariants = None if invariants is None else (TensorShape([]), invariants)
    kind = type(loop_vars)

    def as_call(function: Any, variables: Any) -> Any:
        return function(*variables) if issubclass(kind, (list, tuple)) else function(variables)

    def new_body(i: Tensor, variables: Any) -> Any:
        return i + 1, _as_sequence(loop_vars, as_call(body, variables))

    return (
        (counter, loop_vars),
        lambda i, variables: logical_and(less(i, bound), as_call(cond, variables)),
        new_body,
        new_invariants,
    )


def _build_while(cond: Any, body: Any, loop_vars: Any, invariants: Any, back_prop: bool) -> Any:
    initial = to_tensors(loop_vars)
    graph = initial[0].graph if initial else get_default_graph()
    shapes = [t.shape for t in initial]
    if invariants is not None:
        given = [as_shape(s) for s in nest.flatten(_shape_leaves(invariants))]
        if len(given) != len(initial):
            raise ValueError(f"expected {len(initial)} shape invariants, got {len(given)}")
        for tensor, shape in zip(initial, given, strict=True):
            if not tensor.shape.is_compatible_with(shape):
                raise ValueError(
                    f"The shape invariant specified for {tensor.name} is not compatible with the initial shape of the "
                    f"loop variable. It enters the loop with shape {tensor.shape}, but the specified shape invariant "
                    f"is {shape}."
                )
        shapes = given
    specs = [(t.dtype.base_dtype, s) for t, s in zip(initial, shapes, strict=True)]
    is_sequence = isinstance(loop_vars, (list, tuple))

    def call(function: Any, tensors: tuple[Tensor, ...]) -> Any:
        packed = from_tensors(loop_vars, tensors)
        return function(*packed) if is_sequence else function(packed)

    result_structure: list[Any] = []

    def traced_body(*tensors: Tensor) -> list[Tensor]:
        result = call(body, tensors)
        result = _as_sequence(loop_vars, result)
        if _outline(result) != _outline(loop_vars):
            raise ValueError(
                "The loop body must return the structure of the loop variables: "
                f"expected {nest.describe(loop_vars)}, got {nest.describe(result)}"
            )
        outputs = to_tensors(result)
        for before, after, shape in zip(initial, outputs, shapes, strict=True):
            _check_invariant(before, after, shape)
        # the containers are those of the body's result; TensorArrays learn their element shape inside
        result_structure.append(result)
        return outputs

    cond_body, test = _traced(graph, specs, lambda *tensors: [convert_to_tensor(call(cond, tensors), dtypes.bool_)])
    loop_body = trace(graph, specs, traced_body)
    cond_body.seal(test, loop_body)
    node = graph.create_op(
        "While",
        [*initial, *cond_body.captures, *loop_body.captures],
        {"cond_body": cond_body, "loop_body": loop_body, "count": len(initial), "back_prop": back_prop},
        "loop",
        specs=specs,
        after=[*cond_body.dependencies, *loop_body.dependencies],
    )
    exits = [graph.create_op("Exit", [t], None, "Exit", specs=[(t.dtype, t.shape)]).outputs[0] for t in node.outputs]
    return from_tensors(result_structure[0], exits)


def _as_sequence(loop_vars: Any, result: Any) -> Any:
    """What a body returned, in a list where it returned the only loop variable without one."""
    if not isinstance(loop_vars, (list, tuple)):
        return result
    if len(loop_vars) == 1 and _outline(result) == _outline(loop_vars[0]):
        return [result]
    return result if isinstance(result, (list, tuple)) else [result]


def _outline(structure: Any) -> Any:
    """The structure without the kinds of its sequences."""
    if isinstance(structure, (list, tuple)):
        return tuple(_outline(part) for part in structure)
    if isinstance(structure, dict):
        return {key: _outline(part) for key, part in structure.items()}
    return None


@register("Exit", lambda inputs, attrs: [(inputs[0].dtype.base_dtype, inputs[0].shape)])
def _exit(value: Any) -> Any:
    return value


def _shape_leaves(invariants: Any) -> Any:
    """Lists of ints as shapes: leaves, not structures."""
    if (
        isinstance(invariants, (list, tuple))
        and all(d is None or isinstance(d, int) for d in invariants)
        and invariants
    ):
        return as_shape(list(invariants))
    if isinstance(invariants, (list, tuple)) and not hasattr(invariants, "_fields"):
        return [_shape_leaves(i) for i in invariants]
    return invariants


def _check_invariant(before: Tensor, after: Tensor, shape: TensorShape) -> None:
    if before.dtype.base_dtype is not after.dtype.base_dtype:
        raise TypeError(
            f"The loop variable {before.name} enters the loop with type {before.dtype.base_dtype.name} but has type "
            f"{after.dtype.base_dtype.name} after one iteration."
        )
    fits = shape.ndims is None or (
        after.shape.ndims == shape.ndims
        and all(s is None or s == a for s, a in zip(shape.as_list(), after.shape.as_list(), strict=True))
    )
    if not fits:
        raise ValueError(
            f"The shape for {before.name} is not an invariant for the loop. It enters the loop with shape {shape}, "
            f"but has "
            f"shape {after.shape} after one iteration. Provide shape invariants using either the `shape_invariants` "
            "argument of tf.while_loop or set_shape() on the loop variables."
        )


# --- order ------------------------------------------------------------------------------------------------------------


def no_op(name: str | None = None) -> Operation:
    """An operation that does nothing."""
    return get_default_graph().create_op("NoOp", [], None, name)


def group(*inputs: Any, **kwargs: Any) -> Operation:
    """An operation that is done when all ``inputs`` (operations, tensors, or nests of them) are.

    Raises:
        TypeError: an unknown keyword, or an input that is no graph element.
    """
    name = kwargs.pop("name", None)
    if kwargs:
        raise TypeError(f"Unknown keyword arguments: {', '.join(kwargs)}")
    graph = get_default_graph()
    flat = [item for item in nest.flatten(list(inputs)) if item is not None]
    for item in flat:
        if not hasattr(item, "_as_graph_element") and not isinstance(item, (Tensor, Operation)):
            raise TypeError(
                f"Expected tf.Tensor or tf.Operation to group, got {item!r} of type '{type(item).__name__}'"
            )
    if flat:
        graph = graph.as_graph_element(flat[0]).graph
    with graph.control_dependencies(flat):
        return graph.create_op("NoOp", [], None, name or "group_deps")


def with_dependencies(dependencies: Iterable[Any], output_tensor: Any, name: str | None = None) -> Tensor:
    """``output_tensor``, available after ``dependencies``."""
    graph = get_default_graph()
    with name_scope(name, "control_dependency") as scope, graph.control_dependencies(dependencies):
        return graph.create_op("AfterControl", [convert_to_tensor(output_tensor)], None, scope).outputs[0]


def tuple_(tensors: Sequence[Any], name: str | None = None, control_inputs: Any = None) -> list[Any]:
    """The tensors, each available only after all of them."""
    with name_scope(name, "tuple"):
        gate = [t for t in tensors if t is not None] + list(control_inputs or [])
        if not gate:
            raise ValueError("Must have at least one Tensor: expected a tensor among those to group, got none")
        return [None if t is None else with_dependencies(gate, t) for t in tensors]
