"""``tf.estimator``: the names of modes. Estimators themselves are not there."""

from dynrnn.tf1._namespace import missing
from dynrnn.tf1.model_fn import ModeKeys

__all__ = ["ModeKeys"]

_LOOP = "build the graph that model_fn builds, and run its train_op in a Session"

__getattr__ = missing(
    __name__,
    globals(),
    {
        **{f"tf.estimator.{name}": _LOOP for name in ("Estimator", "EstimatorSpec", "train_and_evaluate")},
        **{f"tf.estimator.{name}": _LOOP for name in ("RunConfig", "TrainSpec", "EvalSpec")},
    },
)
