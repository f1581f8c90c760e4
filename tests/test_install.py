"""The import hook: on a small package of its own, in this process; on ``dynrnn.tf1``, in fresh ones."""

from __future__ import annotations

import importlib
import importlib.util
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
from fresh_process import code, succeeded

from dynrnn.tf1._aliases import ALIASES
from dynrnn.tf1._install import AliasFinder
from dynrnn.tf1._namespace import describe_missing, missing, nearest

# -------------------------------------------------------------------------- the finder, on a package of ours

FILES = {
    "__init__.py": """
        from realpkg import logging, nn, rnn_cell
        from dynrnn.tf1._namespace import missing
        executed = []
        def concat(): pass
        __all__ = ["concat", "logging", "nn", "rnn_cell"]
        __getattr__ = missing(__name__, globals())
        """,
    "nn.py": """
        from realpkg import rnn_cell
        from dynrnn.tf1._namespace import missing
        def dynamic_rnn(): pass
        __all__ = ["dynamic_rnn", "rnn_cell"]
        __getattr__ = missing(__name__, globals())
        """,
    "rnn_cell.py": """
        import sys
        class LSTMCell: pass
        """,
    "logging.py": "import logging as std",
    "_private.py": "",
    "core/__init__.py": "",
    "core/tensor_shape.py": "class TensorShape: pass",
    "contrib/__init__.py": "",
    "contrib/rnn.py": "from realpkg.rnn_cell import LSTMCell",
    "contrib/broken.py": "import a_library_that_is_not_there",
}


@pytest.fixture
def finder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[AliasFinder]:
    for name, text in FILES.items():
        path = tmp_path / "realpkg" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text))
    monkeypatch.syspath_prepend(str(tmp_path))
    finder = AliasFinder("shownpkg", "realpkg", ALIASES, "tf")
    sys.meta_path.insert(0, finder)
    yield finder
    sys.meta_path.remove(finder)
    finder.forget()
    for name in [name for name in sys.modules if name.split(".")[0] in ("realpkg", "shownpkg")]:
        del sys.modules[name]


def module(name: str) -> ModuleType:
    return importlib.import_module(name)


@pytest.mark.parametrize(
    ("shown", "real"),
    [
        ("shownpkg", "realpkg"),
        ("shownpkg.nn", "realpkg.nn"),
        ("shownpkg.logging", "realpkg.logging"),
        ("shownpkg.contrib.rnn", "realpkg.contrib.rnn"),
        ("shownpkg.core.tensor_shape", "realpkg.core.tensor_shape"),
        ("shownpkg.nn.rnn_cell", "realpkg.rnn_cell"),
        ("shownpkg.compat.v1", "realpkg"),
        ("shownpkg.compat.v1.nn", "realpkg.nn"),
        ("shownpkg.compat.v1.nn.rnn_cell", "realpkg.rnn_cell"),
        ("shownpkg.compat.v1.python.ops.rnn_cell", "realpkg.rnn_cell"),
        ("shownpkg.python.ops.rnn_cell", "realpkg.rnn_cell"),
        ("shownpkg.python.ops.rnn_cell_impl", "realpkg.rnn_cell"),
        ("shownpkg.python.ops.rnn", "realpkg.nn"),
        ("shownpkg.python.ops.array_ops", "realpkg"),
        ("shownpkg.python.framework.tensor_shape", "realpkg.core.tensor_shape"),
        ("shownpkg.python.platform.tf_logging", "realpkg.logging"),
        ("shownpkg.contrib.rnn.python.ops.core_rnn_cell", "realpkg.rnn_cell"),
        ("shownpkg.contrib.rnn.python.ops.rnn_cell", "realpkg.contrib.rnn"),
        ("shownpkg.models.rnn.rnn_cell", "realpkg.rnn_cell"),
        ("realpkg.python.ops.rnn_cell", "realpkg.rnn_cell"),
    ],
)
def test_names_lead_to_one_module(finder: AliasFinder, shown: str, real: str) -> None:
    found = module(shown)
    assert found is module(real)
    assert sys.modules[shown] is found
    assert found.__name__ == real and found.__spec__ is not None and found.__spec__.name == real


def test_order_of_imports_does_not_matter(finder: AliasFinder) -> None:
    cell = module("shownpkg.contrib.rnn.python.ops.core_rnn_cell").LSTMCell
    assert module("shownpkg").rnn_cell.LSTMCell is cell is module("realpkg.contrib.rnn").LSTMCell
    module("shownpkg").executed.append(1)
    assert module("shownpkg.compat.v1").executed == [1] == module("realpkg").executed


def test_every_form_of_import_statement(finder: AliasFinder) -> None:
    space: dict[str, object] = {}
    exec(
        textwrap.dedent(
            """
            import shownpkg as tf
            import shownpkg.contrib.rnn as a
            import shownpkg.python.ops.rnn_cell as b
            from shownpkg.python.ops import rnn_cell as c
            from shownpkg.python import ops
            from shownpkg import python as p
            from shownpkg.contrib import rnn as d
            from shownpkg.contrib.rnn import LSTMCell as E, python as q
            from shownpkg.nn import rnn_cell as f, dynamic_rnn
            from shownpkg.compat import v1
            import shownpkg.python.framework
            assert a is d is tf.contrib.rnn and b is c is f is tf.nn.rnn_cell is ops.rnn_cell
            assert p.ops is ops is tf.python.ops and v1 is tf and E is b.LSTMCell
            assert q is d.python and q.ops.core_rnn_cell is b
            assert tf.python.framework.tensor_shape.TensorShape
            """
        ),
        space,
    )


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("shownpkg.contrib.rnnn", "nearest: shownpkg.contrib.rnn"),
        ("shownpkg.contrb", "nearest: shownpkg.contrib"),
        ("shownpkg.python.ops.rn_cell", "nearest: shownpkg.python.ops.rnn_cell"),
        ("shownpkg.python.op", "nearest: shownpkg.python.ops"),
        ("shownpkg.tpu", "there is no TPU support"),
        ("shownpkg._private", "nearest: shownpkg."),
        ("shownpkg.nn.sys", "nearest: shownpkg.nn.rnn_cell"),
        ("shownpkg.logging.std", "No module named 'shownpkg.logging.std' in dynrnn"),
        ("shownpkg.contrib.crf", "nearest: shownpkg.contrib."),
        ("shownpkg.contrib.legacy_seq2seq.python", "No module named 'shownpkg.contrib.legacy_seq2seq' in dynrnn"),
    ],
)
def test_missing_module_is_named_with_the_nearest(finder: AliasFinder, name: str, words: str) -> None:
    with pytest.raises(ModuleNotFoundError) as caught:
        module(name)
    assert words in str(caught.value)
    assert str(caught.value).startswith(f"No module named '{'.'.join(name.split('.')[:3])}")
    assert name not in sys.modules


def test_nearest_names_only_what_exists(finder: AliasFinder) -> None:
    with pytest.raises(ModuleNotFoundError) as caught:
        module("shownpkg.python.ops.loses")
    assert "shownpkg.python.ops.losses" not in str(caught.value)


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("from shownpkg.nn import dynamic_rrn", "dynamic_rrn is not available in dynrnn; nearest: tf.nn.dynamic_rnn"),
        ("from shownpkg.python.ops.rnn_cell import LSTMCel", "nearest: tf.rnn_cell.LSTMCell"),
        ("from shownpkg.contrib import slim", "tf.contrib.slim is not available"),
        ("from shownpkg.python import debug", "No module named 'shownpkg.python.debug' in dynrnn"),
        ("from shownpkg import mul", "tf.mul is not available in dynrnn; it is now tf.multiply"),
    ],
)
def test_from_import_of_a_missing_name(finder: AliasFinder, statement: str, words: str) -> None:
    with pytest.raises(ImportError) as caught:
        exec(statement, {})
    assert words in str(caught.value)


def test_fault_inside_a_module_is_not_taken_for_a_missing_module(finder: AliasFinder) -> None:
    with pytest.raises(ModuleNotFoundError, match="No module named 'a_library_that_is_not_there'"):
        module("shownpkg.contrib.broken")
    with pytest.raises(ModuleNotFoundError, match="No module named 'a_library_that_is_not_there'"):
        exec("from shownpkg.contrib import broken", {})


def test_probing_and_reloading(finder: AliasFinder) -> None:
    spec = importlib.util.find_spec("shownpkg.python.ops.rnn_cell")
    assert spec is not None and "shownpkg.python.ops.rnn_cell" not in sys.modules
    package = module("shownpkg.python")
    assert not hasattr(package, "nothing") and hasattr(package, "ops") and not hasattr(package, "__wrapped__")
    cell = module("shownpkg.nn.rnn_cell")
    assert importlib.reload(cell) is cell is module("realpkg.rnn_cell")


def test_names_of_others_are_left_alone(finder: AliasFinder) -> None:
    assert finder.find_spec("shownpkgs") is None and finder.find_spec("realpkgs.nn") is None
    assert finder.find_spec("json") is None


def test_forget_leaves_no_trace(finder: AliasFinder) -> None:
    module("realpkg.contrib.rnn")
    names = [name for name in sys.modules if name.startswith("realpkg")]
    before = {name: set(vars(sys.modules[name])) for name in names}
    for name in ("contrib.rnn.python.ops.rnn_cell", "python.ops.nn", "compat.v1.nn.rnn_cell", "models.rnn.rnn"):
        module(f"shownpkg.{name}")
    module("realpkg.python")
    finder.forget()
    assert [name for name in sys.modules if name.startswith("shownpkg")] == []
    assert [name for name in sys.modules if name.startswith("realpkg")] == names
    assert {name: set(vars(sys.modules[name])) for name in names} == before


def test_table_is_well_formed() -> None:
    for name, targets in ALIASES.items():
        assert targets and all(part.isidentifier() for part in name.split(".")), name
        assert name not in targets, f"{name} names itself"


# ------------------------------------------------------------------------------- errors for missing symbols


def names_of(error: AttributeError) -> str:
    return str(error).partition("nearest: ")[2]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("dynamic_rn", "tf.nn.dynamic_rnn, tf.nn.static_rnn"),
        ("DYNAMIC_RNN", "tf.nn.dynamic_rnn"),
        ("zzz", "tf.nn."),
    ],
)
def test_missing_symbol_names_the_nearest(name: str, expected: str) -> None:
    get = missing("dynrnn.tf1.nn", {"dynamic_rnn": 1, "static_rnn": 1, "relu": 1, "_hidden": 1, "__doc__": 1})
    with pytest.raises(AttributeError, match=rf"^tf\.nn\.{name} is not available in dynrnn; nearest: ") as caught:
        get(name)
    assert names_of(caught.value).startswith(expected) and "_hidden" not in str(caught.value)


def test_missing_symbol_reads_the_names_when_asked() -> None:
    names: dict[str, object] = {}
    get = missing("dynrnn.tf1", names)
    names["late"] = 1
    with pytest.raises(AttributeError, match=r"^tf\.lat is not available in dynrnn; nearest: tf\.late$"):
        get("lat")
    names["__all__"] = ["public"]
    with pytest.raises(AttributeError, match=r"nearest: tf\.public$"):
        get("late_")


def test_missing_symbol_hints() -> None:
    get = missing("dynrnn.tf1.train", ["Saver"], {"tf.train.foo": "use tf.train.bar"})
    with pytest.raises(AttributeError, match=r"^tf\.train\.foo is not available in dynrnn; use tf\.train\.bar$"):
        get("foo")
    with pytest.raises(AttributeError, match=r"^tf\.train\.ClusterSpec is not available in dynrnn; .*torchrun"):
        get("ClusterSpec")


@pytest.mark.parametrize("name", ["__path__", "__wrapped__", "__all__"])
def test_dunder_names_get_the_plain_error(name: str) -> None:
    with pytest.raises(AttributeError, match=f"^module 'dynrnn.tf1.nn' has no attribute '{name}'$"):
        missing("dynrnn.tf1.nn", ["relu"])(name)


def test_nearest_without_names() -> None:
    assert nearest("x", []) == []
    assert describe_missing("tf.x.y", []) == "tf.x.y is not available in dynrnn"


# ---------------------------------------------------------------------------------- install(), on dynrnn.tf1


MUST_RESOLVE = [
    "tensorflow.nn",
    "tensorflow.layers",
    "tensorflow.losses",
    "tensorflow.train",
    "tensorflow.contrib.rnn",
    "tensorflow.contrib.legacy_seq2seq",
    "tensorflow.compat.v1",
    "tensorflow.examples.tutorials.mnist.input_data",
    "tensorflow.models.rnn.rnn_cell",
    "tensorflow.models.rnn.seq2seq",
    "tensorflow.contrib.rnn.python.ops.core_rnn_cell",
    "tensorflow.contrib.rnn.python.ops.rnn_cell",
    "tensorflow.contrib.learn.python.learn.datasets.mnist",
    *(f"tensorflow.python.framework.{name}" for name in ("ops", "dtypes", "tensor_shape", "errors", "constant_op")),
    *(f"tensorflow.python.platform.{name}" for name in ("flags", "gfile", "tf_logging", "app")),
    *(f"tensorflow.python.ops.{name}" for name in ("array_ops", "control_flow_ops", "embedding_ops", "init_ops")),
    *(f"tensorflow.python.ops.{name}" for name in ("math_ops", "nn", "nn_ops", "random_ops", "rnn", "rnn_cell")),
    *(f"tensorflow.python.ops.{name}" for name in ("rnn_cell_impl", "seq2seq", "state_ops", "tensor_array_ops")),
    *(f"tensorflow.python.ops.{name}" for name in ("variable_scope", "variables")),
    "tensorflow.python.layers.core",
    "tensorflow.python.training.optimizer",
    "tensorflow.python.util.nest",
    "melt",
    "melt.rnn",
]


def test_install_makes_tensorflow_dynrnn(tmp_path: Path) -> None:
    succeeded(
        code(
            f"""
            import importlib, sys
            import dynrnn.tf1
            dynrnn.tf1.install()
            dynrnn.tf1.install()
            import tensorflow as tf
            assert tf is dynrnn.tf1 and tf.__spec__.name == "dynrnn.tf1"
            for name in {MUST_RESOLVE!r}:
                importlib.import_module(name)
            from tensorflow.python.ops import rnn_cell
            from tensorflow.contrib.rnn import BasicLSTMCell
            assert rnn_cell.BasicLSTMCell is BasicLSTMCell is tf.nn.rnn_cell.BasicLSTMCell
            assert BasicLSTMCell is tf.contrib.rnn.BasicLSTMCell
            from tensorflow.python.ops import array_ops, math_ops, variable_scope as vs
            assert array_ops.concat is tf.concat and math_ops.tanh is tf.tanh and vs.get_variable is tf.get_variable
            from tensorflow.python.framework import dtypes, ops, tensor_shape
            assert dtypes.float32 is tf.float32 and ops.name_scope is tf.name_scope
            assert tensor_shape.TensorShape is tf.TensorShape and tensor_shape.unknown_shape().ndims is None
            from tensorflow.examples.tutorials.mnist import input_data
            assert input_data.read_data_sets
            """,
            cwd=tmp_path,
        )
    )


def test_older_homes_are_attributes_too(tmp_path: Path) -> None:
    succeeded(
        code(
            """
            import dynrnn.tf1
            from dynrnn.tf1 import contrib, nn
            assert nn.seq2seq is contrib.legacy_seq2seq and contrib.rnn.core_rnn_cell is dynrnn.tf1.rnn_cell
            # what leads to modules only further down needs the import hook
            assert not hasattr(contrib.rnn, "python") and not hasattr(dynrnn.tf1, "models")
            dynrnn.tf1.install()
            import tensorflow as tf
            assert tf.nn.seq2seq is tf.contrib.legacy_seq2seq
            assert tf.contrib.rnn.core_rnn_cell.GRUCell is tf.nn.rnn_cell.GRUCell
            assert tf.contrib.rnn.python.ops.core_rnn_cell._linear is tf.nn.rnn_cell._linear
            assert tf.contrib.legacy_seq2seq.python.ops.seq2seq.rnn_decoder is tf.nn.seq2seq.rnn_decoder
            from tensorflow.contrib.rnn.python.ops.core_rnn_cell import _Linear, _linear
            from tensorflow.python.ops.rnn_cell_impl import _linear as impl_linear, _Linear
            from tensorflow.models.rnn import linear, rnn_cell, seq2seq
            assert impl_linear is _linear is linear.linear and seq2seq is tf.nn.seq2seq
            from tensorflow.python.ops.candidate_sampling_ops import log_uniform_candidate_sampler
            assert log_uniform_candidate_sampler is tf.nn.log_uniform_candidate_sampler
            try:
                tf.contrib.rnn.nonsense
            except AttributeError as error:
                assert "tf.contrib.rnn.nonsense is not available" in str(error)
            else:
                raise AssertionError
            """,
            cwd=tmp_path,
        )
    )


def test_no_alias_changes_a_module(tmp_path: Path) -> None:
    """Reaching a module by another name must not put that module in the place of a function of the same name."""
    succeeded(
        code(
            """
            import importlib, sys
            import dynrnn.tf1
            from dynrnn.tf1._aliases import ALIASES
            real = [n for n in sys.modules if n.startswith("dynrnn.tf1")]
            before = {n: dict(vars(sys.modules[n])) for n in real}
            dynrnn.tf1.install()
            found = 0
            for name in ALIASES:
                try:
                    importlib.import_module("tensorflow." + name)
                    found += 1
                except ModuleNotFoundError as error:
                    assert "in dynrnn" in str(error), error
            assert found > 50, found
            for name, names in before.items():
                for key, value in names.items():
                    assert vars(sys.modules[name])[key] is value or key in ("__spec__", "__path__"), (name, key)
            from dynrnn.tf1._install import uninstall
            uninstall()
            assert not [n for n in sys.modules if n.split(".")[0] in ("tensorflow", "melt")]
            assert not [f for f in sys.meta_path if type(f).__module__.startswith("dynrnn.")]
            assert {n: sys.modules[n] for n in real} and not hasattr(dynrnn.tf1, "python")
            """,
            cwd=tmp_path,
        )
    )


def test_install_refuses_after_a_real_tensorflow(tmp_path: Path) -> None:
    (tmp_path / "tensorflow.py").write_text("")
    done = code("import tensorflow, dynrnn.tf1; dynrnn.tf1.install()", cwd=tmp_path)
    assert done.returncode == 1
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("RuntimeError: dynrnn.tf1.install() must be called before tensorflow is imported")
    assert str(tmp_path / "tensorflow.py") in last


def test_tensorflow_on_the_path_is_not_taken_but_a_melt_is(tmp_path: Path) -> None:
    (tmp_path / "tensorflow.py").write_text("raise AssertionError")
    (tmp_path / "melt.py").write_text("mine = True")
    succeeded(
        code(
            """
            import dynrnn.tf1
            dynrnn.tf1.install()
            import tensorflow, melt
            assert tensorflow is dynrnn.tf1 and melt.mine
            """,
            cwd=tmp_path,
        )
    )


def test_missing_symbols_of_the_real_namespaces(tmp_path: Path) -> None:
    succeeded(
        code(
            """
            import dynrnn.tf1
            dynrnn.tf1.install()
            import tensorflow as tf
            for module, name, words in [
                (tf, "plaeholder", "tf.plaeholder is not available in dynrnn; nearest: tf.placeholder"),
                (tf.nn, "dynamic_rrn", "tf.nn.dynamic_rrn is not available in dynrnn; nearest: tf.nn.dynamic_rnn"),
                (tf.train, "ClusterSpec", "torchrun"),
                (tf.logging, "fino", "tf.logging.fino is not available in dynrnn; nearest: tf.logging.info"),
            ]:
                try:
                    getattr(module, name)
                except AttributeError as error:
                    assert words in str(error), error
                else:
                    raise AssertionError(name)
            """,
            cwd=tmp_path,
        )
    )
