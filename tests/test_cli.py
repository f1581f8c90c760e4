"""``dynrnn run``: every program here is run by ``python`` too, and the two must not differ in what they can see."""

from __future__ import annotations

import os
import textwrap
from collections.abc import Sequence
from pathlib import Path

import pytest
from fresh_process import Done, python
from fresh_process import light_command as light

from dynrnn._version import __version__


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(textwrap.dedent(text))
    return path


def dynrnn(*words: str, cwd: Path) -> Done:
    """The whole command."""
    return python("-m", "dynrnn", *words, cwd=cwd)


def same_as_python(words: Sequence[str], cwd: Path) -> Done:
    """Run ``python WORDS`` and ``dynrnn run WORDS``; assert that status, output and errors are equal."""
    expected, got = python(*words, cwd=cwd), light("run", *words, cwd=cwd)
    assert (got.returncode, got.stdout, got.stderr) == (expected.returncode, expected.stdout, expected.stderr)
    return got


LOOK_AROUND = """
    '''A program.'''
    import sys
    answer: int = 42
    def show():
        main = sys.modules["__main__"]
        names = ["__name__", "__file__", "__doc__", "__package__", "__spec__", "__cached__"]
        return [vars(main)[name] for name in names] + [main.answer, show.__module__, sorted(vars(main))]
    print(sys.argv, sys.path[0], show(), type(__loader__).__name__, __builtins__.len)
    import beside
    print(beside.value, __annotations__)
    """


@pytest.mark.parametrize("words", [["sub/look.py"], ["./sub/../sub/look.py", "a", "--help", "--", "-m", "x"]])
def test_program_sees_what_python_shows(tmp_path: Path, words: list[str]) -> None:
    write(tmp_path / "sub" / "look.py", LOOK_AROUND)
    write(tmp_path / "sub" / "beside.py", "value = 'found beside the script'")
    expected, got = python(*words, cwd=tmp_path), light("run", *words, cwd=tmp_path)
    assert (got.returncode, got.stderr) == (0, "") == (expected.returncode, expected.stderr)
    # Python 3.9 and later make __file__ absolute, not all of them normal.
    assert got.stdout == expected.stdout.replace("./sub/../sub/look.py'", "sub/look.py'").replace(
        "['sub/look.py'", f"['{words[0]}'"
    )
    assert "found beside the script" in got.stdout


def test_link_and_absolute_path(tmp_path: Path) -> None:
    target = write(tmp_path / "sub" / "look.py", LOOK_AROUND)
    write(tmp_path / "sub" / "beside.py", "value = 1")
    (tmp_path / "link.py").symlink_to(target)
    same_as_python(["link.py", "x"], tmp_path)
    same_as_python([str(target)], tmp_path / "sub")


def test_module(tmp_path: Path) -> None:
    write(tmp_path / "pkg" / "__init__.py", "")
    write(tmp_path / "pkg" / "__main__.py", "from pkg import part\nprint(__name__, __package__, __spec__.name)")
    write(tmp_path / "pkg" / "part.py", "import sys\nprint(__name__, sys.argv, sys.path[0], __file__)")
    same_as_python(["-m", "pkg.part", "a", "-m"], tmp_path)
    same_as_python(["-m", "pkg", "--help"], tmp_path)
    got = light("run", "-m", "pkg.nothing", cwd=tmp_path)
    assert (got.returncode, got.stderr) == (1, "dynrnn run: No module named pkg.nothing\n")
    got = light("run", "-m", "nothing.at.all", cwd=tmp_path)
    assert (got.returncode, got.stderr) == (1, "dynrnn run: No module named 'nothing'\n")


def test_module_that_does_not_parse(tmp_path: Path) -> None:
    write(tmp_path / "broken.py", "x = (\n")
    got = light("run", "-m", "broken", cwd=tmp_path)
    assert got.returncode == 1
    assert got.stderr == python("broken.py", cwd=tmp_path).stderr


@pytest.mark.parametrize(
    ("ending", "status"),
    [
        ("", 0),
        ("sys.exit()", 0),
        ("sys.exit(7)", 7),
        ("sys.exit('a message')", 1),
        ("sys.exit(None)", 0),
        ("raise SystemExit(3)", 3),
        ("import atexit; atexit.register(print, 'at the end', answer); sys.exit(4)", 4),
        ("import os; sys.stdout.flush(); os._exit(9)", 9),
    ],
)
def test_exit_status(tmp_path: Path, ending: str, status: int) -> None:
    write(tmp_path / "ends.py", f"import sys\nanswer = 42\nprint('ran')\n{ending}\n")
    assert same_as_python(["ends.py"], tmp_path).returncode == status


UNCAUGHT = {
    "plain": "def f(x):\n    return 1 / x\n\nf(0)\n",
    "chained": """
        def g():
            raise KeyError("x")
        try:
            g()
        except KeyError as error:
            raise ValueError("two\\nlines") from error
        """,
    "in another module": "import helper\nhelper.fail()\n",
    "while importing": "import broken\n",
    "no such module": "import there_is_no_such_module\n",
    "own hook": """
        import sys
        sys.excepthook = lambda kind, error, traceback: print("hook", kind, traceback.tb_lineno, file=sys.stderr)
        raise OSError(5)
        """,
    "recursion": "def f(n):\n    return f(n + 1)\nimport sys\nsys.setrecursionlimit(120)\nf(0)\n",
    "group": "class Mine(Exception):\n    pass\nraise Mine('a', 1)\n",
    "syntax": "x = 1\nif x\n    pass\n",
    "null": "x = (\n",
    "syntax of a helper": "import unparsable\n",
    "encoding": "# coding: latin-1\nprint('\u00e4')\nraise ValueError('\u00e4')\n",
}


@pytest.mark.parametrize("case", UNCAUGHT)
def test_uncaught_exception_prints_as_under_python(tmp_path: Path, case: str) -> None:
    path = write(tmp_path / "sub" / "fails.py", UNCAUGHT[case])
    if case == "encoding":
        path.write_bytes(path.read_text().encode("latin-1"))
    write(tmp_path / "sub" / "helper.py", "def fail():\n    raise RuntimeError('from the helper')\n")
    write(tmp_path / "sub" / "broken.py", "undefined_name\n")
    write(tmp_path / "sub" / "unparsable.py", "def f(:\n    pass\n")
    expected, got = python("sub/fails.py", cwd=tmp_path), light("run", "sub/fails.py", cwd=tmp_path)
    assert (got.returncode, got.stdout) == (expected.returncode, expected.stdout) and got.returncode == 1
    if case == "recursion":
        # How deep it gets depends on what called the program.
        assert got.stderr.splitlines()[:4] == expected.stderr.splitlines()[:4]
    else:
        assert got.stderr == expected.stderr
    assert "cli.py" not in got.stderr and "importlib" not in got.stderr and "runpy" not in got.stderr


@pytest.mark.parametrize(
    "line",
    [
        'print "hello"',
        "print x, y",
        "exec code",
        "try:\n    pass\nexcept ValueError, e:\n    pass",
        'raise ValueError, "text"',
        "x = 0777",
        "x = 10L",
        "if 1 <> 2: pass",
        "x = ur'text'",
    ],
)
def test_python_2_gets_a_hint(tmp_path: Path, line: str) -> None:
    write(tmp_path / "old.py", f"import os\n{line}\n")
    expected, got = python("old.py", cwd=tmp_path), light("run", "old.py", cwd=tmp_path)
    path = tmp_path / "old.py"
    hint = (
        f"dynrnn run: {path} looks like Python 2; `2to3 -w {path}` (a tool that comes with Python up to 3.12) turns it "
        "into Python 3\n"
    )
    assert got.stderr == expected.stderr + hint
    assert (got.returncode, got.stdout) == (1, "")


def test_python_2_helper_gets_the_hint_with_its_own_name(tmp_path: Path) -> None:
    write(tmp_path / "new.py", "import old\n")
    write(tmp_path / "old.py", "print 'hello'\n")
    got = light("run", "new.py", cwd=tmp_path)
    assert got.stderr.startswith(python("new.py", cwd=tmp_path).stderr)
    assert got.stderr.splitlines()[-1].startswith(f"dynrnn run: {tmp_path / 'old.py'} looks like Python 2")


@pytest.mark.skipif(os.name == "nt", reason="signals are POSIX")
def test_interrupt(tmp_path: Path) -> None:
    write(tmp_path / "waits.py", "import os, signal\nos.kill(os.getpid(), signal.SIGINT); input()\n")
    got = light("run", "waits.py", cwd=tmp_path)
    assert got.returncode == 130
    lines = got.stderr.splitlines()
    assert lines[0] == "Traceback (most recent call last):" and lines[-1] == "KeyboardInterrupt"
    assert lines[1] == f'  File "{tmp_path}/waits.py", line 2, in <module>'


@pytest.mark.parametrize("name", ["nothing.py", "sub/nothing.py"])
def test_missing_script(tmp_path: Path, name: str) -> None:
    got = light("run", name, "--version", cwd=tmp_path)
    assert (got.returncode, got.stdout) == (2, "")
    assert got.stderr == f"dynrnn run: can't open file {name!r}: No such file or directory\n"


def test_folder_as_script(tmp_path: Path) -> None:
    got = light("run", ".", cwd=tmp_path)
    assert (got.returncode, got.stderr) == (2, "dynrnn run: can't open file '.': Is a directory\n")


def test_version(tmp_path: Path) -> None:
    got = dynrnn("--version", cwd=tmp_path)
    assert (got.returncode, got.stdout) == (0, f"dynrnn {__version__}\n")


def test_whole_command_prints_a_traceback_as_python_does(tmp_path: Path) -> None:
    """As the tests above with the stand-in; this one shows that it stands in for nothing that matters to them."""
    write(tmp_path / "fails.py", LOOK_AROUND + "    1 / 0\n")
    write(tmp_path / "beside.py", "value = 1")
    expected, got = python("fails.py", "x", cwd=tmp_path), dynrnn("run", "fails.py", "x", cwd=tmp_path)
    assert (got.returncode, got.stdout, got.stderr) == (1, expected.stdout, expected.stderr)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "dynrnn: error: "),
        (["walk"], "invalid choice: 'walk'"),
        (["run"], "required: SCRIPT"),
        (["run", "--quiet", "x.py"], "unrecognized arguments: --quiet"),
        (["run", "-m"], "argument -m: expected a MODULE"),
        (["run", "--"], "error: "),
    ],
)
def test_wrong_usage(tmp_path: Path, words: list[str], message: str) -> None:
    got = light(*words, cwd=tmp_path)
    assert (got.returncode, got.stdout) == (2, "")
    assert message in got.stderr and got.stderr.startswith("usage: dynrnn")


@pytest.mark.parametrize("words", [["run", "--help"], ["run", "-h"]])
def test_help(tmp_path: Path, words: list[str]) -> None:
    got = light(*words, cwd=tmp_path)
    assert got.returncode == 0 and got.stdout.startswith("usage: dynrnn run [-h] SCRIPT [ARGS...]")


TF_PROGRAM = """
    from __future__ import print_function
    import sys
    import tensorflow as tf
    from tensorflow.python.platform import gfile
    import tensorflow.examples.tutorials.mnist.input_data as input_data

    flags = tf.app.flags
    flags.DEFINE_integer("size", 3, "how many")
    FLAGS = flags.FLAGS

    def main(argv):
        print(tf.__name__, FLAGS.size, argv, gfile.Exists(__file__))
        tf.logging.warn("careful")
        return FLAGS.size

    if __name__ == "__main__":
        tf.app.run()
    """


def test_tensorflow_program(tmp_path: Path) -> None:
    write(tmp_path / "train.py", TF_PROGRAM)
    got = dynrnn("run", "train.py", "--size=5", "rest", "--other", cwd=tmp_path)
    assert got.stderr == "WARNING:tensorflow:careful\n"
    assert got.stdout == "dynrnn.tf1 5 ['train.py', 'rest', '--other'] True\n"
    assert got.returncode == 5


def test_missing_symbol_in_a_program(tmp_path: Path) -> None:
    write(tmp_path / "train.py", "import tensorflow as tf\nx = tf.plaeholder('float')\n")
    got = dynrnn("run", "train.py", cwd=tmp_path)
    assert got.returncode == 1
    assert f'  File "{tmp_path}/train.py", line 2, in <module>\n' in got.stderr
    assert "AttributeError: tf.plaeholder is not available in dynrnn; nearest: tf.placeholder" in got.stderr


def test_missing_module_in_a_program(tmp_path: Path) -> None:
    write(tmp_path / "train.py", "import tensorflow.contrib.rn\n")
    got = dynrnn("run", "train.py", cwd=tmp_path)
    assert got.stderr.splitlines()[-1] == (
        "ModuleNotFoundError: No module named 'tensorflow.contrib.rn' in dynrnn; nearest: tensorflow.contrib.rnn"
    )
    assert got.returncode == 1
