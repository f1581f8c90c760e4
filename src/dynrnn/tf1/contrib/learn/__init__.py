"""``tf.contrib.learn``: modes, vocabularies, ``run_n``. Estimators themselves are not there."""

from dynrnn.tf1._namespace import missing
from dynrnn.tf1.contrib.learn import preprocessing
from dynrnn.tf1.contrib.learn.running import run_feeds, run_n
from dynrnn.tf1.model_fn import LearnModeKeys as ModeKeys

__all__ = ["ModeKeys", "preprocessing", "run_feeds", "run_n"]

__getattr__ = missing(__name__, globals())
