"""The modes of a model, under the names that ``tf.estimator`` and ``tf.contrib.learn`` give them."""

from __future__ import annotations

__all__ = ["LearnModeKeys", "ModeKeys"]


class ModeKeys:
    """``tf.estimator.ModeKeys``: train, evaluate, predict."""

    TRAIN = "train"
    EVAL = "eval"
    PREDICT = "infer"


class LearnModeKeys:
    """``tf.contrib.learn.ModeKeys``: train, evaluate, infer."""

    TRAIN = "train"
    EVAL = "eval"
    INFER = "infer"

    @classmethod
    def validate(cls, key: str) -> None:
        """``ValueError`` unless ``key`` is one of them."""
        if key not in (cls.TRAIN, cls.EVAL, cls.INFER):
            raise ValueError(f"Invalid mode {key}.")


LearnModeKeys.__name__ = LearnModeKeys.__qualname__ = "ModeKeys"
