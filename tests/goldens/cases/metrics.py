"""``tf.metrics``: three batches through each metric, its value before and after, its variables and names."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from goldens.harness import Program, case, fixed

_BATCHES = 3


def _metric(
    name: str, make: Callable[..., Any], feeds: Mapping[str, tuple[str, list[int], Callable[[Any], Any]]]
) -> None:
    @case(f"metrics/{name}")
    def program(tf: Any, np: Any) -> Program:
        places = {key: tf.placeholder(dtype, shape, key) for key, (dtype, shape, _) in feeds.items()}
        value, update = make(tf, **places)
        facts = {
            "names": [v.name for v in tf.local_variables()],
            "shapes": [str(v.get_shape()) for v in tf.local_variables()],
            "collected": [v.name for v in tf.get_collection(tf.GraphKeys.METRIC_VARIABLES)],
            "value": [str(value.get_shape()), value.dtype.name],
            "update": [str(update.get_shape()), update.dtype.name],
            "extra": [t.name for t in tf.get_collection("seen")],
        }

        def script(session: Any) -> dict[str, Any]:
            session.run(tf.local_variables_initializer())
            got = {"start": session.run(value)}
            for batch in range(_BATCHES):
                data = {
                    places[key]: number(fixed(f"{key} {batch}", shape, "float32")).astype(dtype)
                    for key, (dtype, shape, number) in feeds.items()
                }
                got[f"update{batch}"] = session.run(update, data)
                got[f"value{batch}"] = session.run(value)
            got.update({v.op.name: session.run(v) for v in tf.local_variables()})
            return got

        return Program(facts=facts, script=script)


def _bits(x: Any) -> Any:
    return x > 0


def _thirds(x: Any) -> Any:
    return (x + 1) * 1.5 // 1


def _share(x: Any) -> Any:
    return (x + 1) / 2


def _same(x: Any) -> Any:
    return x


_CLASSES = {"labels": ("int64", [6], _thirds), "predictions": ("int64", [6], _thirds)}
_WEIGHTS = {"weights": ("float32", [6], _share)}
_BOOLS = {"labels": ("bool", [6], _bits), "predictions": ("bool", [6], _bits)}
_FLOATS = {"labels": ("float32", [3, 2], _same), "predictions": ("float32", [3, 2], _same)}
_SCORES = {"labels": ("bool", [8], _bits), "predictions": ("float32", [8], _share)}
_FLOAT_WEIGHTS = {"weights": ("float32", [3, 1], _share)}

_metric("mean", lambda tf, x: tf.metrics.mean(x), {"x": ("float32", [2, 3], _same)})
_metric("mean/int", lambda tf, x: tf.metrics.mean(x), {"x": ("int32", [4], _thirds)})
_metric(
    "mean/weights",
    lambda tf, x, w: tf.metrics.mean(x, w, updates_collections=["seen"], metrics_collections="seen", name="m"),
    {"x": ("float32", [2, 3], _same), "w": ("float32", [2, 1], _share)},
)
_metric("mean/scalar-weight", lambda tf, x: tf.metrics.mean(x, 0.0), {"x": ("float32", [2, 3], _same)})
_metric(
    "mean_tensor",
    lambda tf, x, w: tf.metrics.mean_tensor(x, w),
    {"x": ("float32", [2, 3], _same), "w": ("float32", [2, 1], _share)},
)
_metric("accuracy", lambda tf, **k: tf.metrics.accuracy(**k), _CLASSES)
_metric("accuracy/weights", lambda tf, **k: tf.metrics.accuracy(**k), {**_CLASSES, **_WEIGHTS})
_metric(
    "accuracy/column",
    lambda tf, **k: tf.metrics.accuracy(**k),
    {**_CLASSES, "predictions": ("int64", [6, 1], _thirds)},
)
_metric(
    "accuracy/other-dtype",
    lambda tf, **k: tf.metrics.accuracy(name="acc", **k),
    {**_CLASSES, "predictions": ("int32", [6], _thirds)},
)
for _name in (
    "precision",
    "recall",
    "true_positives",
    "true_negatives",
    "false_positives",
    "false_negatives",
):
    _metric(_name, lambda tf, _name=_name, **k: getattr(tf.metrics, _name)(**k), _BOOLS)
    _metric(f"{_name}/weights", lambda tf, _name=_name, **k: getattr(tf.metrics, _name)(**k), {**_BOOLS, **_WEIGHTS})
for _name in ("mean_absolute_error", "mean_squared_error", "root_mean_squared_error"):
    _metric(_name, lambda tf, _name=_name, **k: getattr(tf.metrics, _name)(**k), _FLOATS)
    _metric(
        f"{_name}/weights", lambda tf, _name=_name, **k: getattr(tf.metrics, _name)(**k), {**_FLOATS, **_FLOAT_WEIGHTS}
    )
_metric(
    "mean_relative_error",
    lambda tf, labels, predictions: tf.metrics.mean_relative_error(labels, predictions, tf.nn.relu(labels)),
    _FLOATS,
)
_metric("mean_cosine_distance", lambda tf, **k: tf.metrics.mean_cosine_distance(dim=1, **k), _FLOATS)
_metric("percentage_below", lambda tf, x: tf.metrics.percentage_below(x, 0.25), {"x": ("float32", [7], _same)})
for _name in ("precision_at_thresholds", "recall_at_thresholds"):
    _metric(_name, lambda tf, _name=_name, **k: getattr(tf.metrics, _name)(thresholds=[0.25, 0.5, 0.9], **k), _SCORES)
for _curve in ("ROC", "PR"):
    for _method in ("trapezoidal", "minoring", "majoring", *(["careful_interpolation"] if _curve == "PR" else [])):
        _metric(
            f"auc/{_curve}/{_method}",
            lambda tf, _c=_curve, _m=_method, **k: tf.metrics.auc(
                curve=_c, summation_method=_m, num_thresholds=20, **k
            ),
            _SCORES,
        )
_metric("auc/default", lambda tf, **k: tf.metrics.auc(**k), {**_SCORES, "weights": ("float32", [8], _share)})
for _name in ("mean_iou", "mean_per_class_accuracy"):
    _metric(_name, lambda tf, _name=_name, **k: getattr(tf.metrics, _name)(num_classes=4, **k), _CLASSES)
    _metric(
        f"{_name}/weights",
        lambda tf, _name=_name, **k: getattr(tf.metrics, _name)(num_classes=3, **k),
        {**_CLASSES, **_WEIGHTS},
    )


@case("metrics/accuracy/shapes", must_fail=True, fragments=["Shapes (2,) and (3,) are incompatible"])
def shapes(tf: Any, np: Any) -> Program:
    return Program({"y": tf.metrics.accuracy(tf.zeros([3]), tf.zeros([2]))})


@case("metrics/auc/curve", must_fail=True, fragments=["must be either ROC or PR"])
def curve(tf: Any, np: Any) -> Program:
    return Program({"y": tf.metrics.auc(tf.zeros([3], tf.bool), tf.zeros([3]), curve="X")})
