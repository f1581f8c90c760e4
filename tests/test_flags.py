"""``tf.flags`` and ``tf.app``: on flag sets of the tests' own and, for ``FLAGS``, in fresh processes."""

from __future__ import annotations

import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest
from fresh_process import Done, light_command, succeeded
from hypothesis import given
from hypothesis import strategies as st

from dynrnn.tf1 import flags


def defined() -> flags.FlagValues:
    """A set with a flag of each kind."""
    values = flags.FlagValues()
    flags.DEFINE_string("name", "model", "A text", flag_values=values)
    flags.DEFINE_string("path", None, "A text without default", flag_values=values)
    flags.DEFINE_integer("size", 128, "An integer", flag_values=values)
    flags.DEFINE_float("rate", 0.5, "A number", flag_values=values)
    flags.DEFINE_boolean("train", True, "A boolean", flag_values=values)
    flags.DEFINE_bool("debug", False, "Another", flag_values=values)
    flags.DEFINE_bool("notify", False, "One that begins with no", flag_values=values)
    flags.DEFINE_enum("cell", "lstm", ["lstm", "gru"], "One of two", flag_values=values)
    flags.DEFINE_list("layers", "64,32", "A list", flag_values=values)
    flags.DEFINE_multi_integer("gpu", [0], "Several", flag_values=values)
    return values


DEFAULTS: dict[str, Any] = {
    "name": "model",
    "path": None,
    "size": 128,
    "rate": 0.5,
    "train": True,
    "debug": False,
    "notify": False,
    "cell": "lstm",
    "layers": ["64", "32"],
    "gpu": [0],
}


@pytest.mark.parametrize(
    ("line", "changed", "rest"),
    [
        ("", {}, []),
        ("--name=x", {"name": "x"}, []),
        ("--name x", {"name": "x"}, []),
        ("-name=x", {"name": "x"}, []),
        ("-name x", {"name": "x"}, []),
        ("--name=", {"name": ""}, []),
        ("--name=a=b", {"name": "a=b"}, []),
        ("--name --debug", {"name": "--debug"}, []),
        ("--size=7 --size 9", {"size": 9}, []),
        ("--size -7", {"size": -7}, []),
        ("--size=0x10", {"size": 16}, []),
        ("--rate 1e-3", {"rate": 1e-3}, []),
        ("--rate=3", {"rate": 3.0}, []),
        ("--debug", {"debug": True}, []),
        ("-debug", {"debug": True}, []),
        ("--notrain", {"train": False}, []),
        ("--notify", {"notify": True}, []),
        ("--nonotify", {"notify": False}, []),
        ("--train=false", {"train": False}, []),
        ("--train=False --debug=1", {"train": False, "debug": True}, []),
        ("--train False --debug true", {"train": False, "debug": True}, []),
        ("--debug data", {"debug": True}, ["data"]),
        ("--train=t --debug=NO", {}, []),
        ("--cell gru", {"cell": "gru"}, []),
        ("--layers=1,2,3", {"layers": ["1", "2", "3"]}, []),
        ("--layers=", {"layers": []}, []),
        ("--gpu=1 --gpu 2", {"gpu": [1, 2]}, []),
        ("data --size 3 more", {"size": 3}, ["data", "more"]),
        ("-5 -2.5 -", {}, ["-5", "-2.5", "-"]),
        ("--size 3 -- --size 4 x", {"size": 3}, ["--size", "4", "x"]),
    ],
)
def test_command_line(line: str, changed: dict[str, Any], rest: list[str]) -> None:
    values = defined()
    assert values(["prog", *line.split()]) == ["prog", *rest]
    assert values.flag_values_dict() == {**DEFAULTS, **changed}
    assert type(values.rate) is float


@pytest.mark.parametrize("line", ["--unknown", "--unknown=1 --size=2", "-x", "--noname"])
def test_unknown_flags(line: str) -> None:
    words = line.split()
    with pytest.raises(flags.UnrecognizedFlagError, match=f"flag '{words[0].lstrip('-').split('=')[0]}'"):
        defined()(["prog", *words])
    values = defined()
    assert values(["prog", *words], known_only=True) == ["prog", words[0]]
    assert values.size == (2 if "--size=2" in line else 128)


def test_reading_again() -> None:
    values = defined()
    values(["prog", "--gpu=1", "--gpu=2", "--size=3"])
    values(["prog", "--gpu=7"])
    assert values.gpu == [7] and values.size == 3
    assert values["gpu"].present == 1 and values["size"].present == 0


def test_unknown_flag_names_the_nearest() -> None:
    with pytest.raises(flags.UnrecognizedFlagError, match=r"'layer'\. Did you mean: layers"):
        defined()(["prog", "--layer=3"])


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("--size=x", "flag --size=x: expected an integer"),
        ("--size=1.5", "flag --size=1.5: expected an integer"),
        ("--rate=fast", "flag --rate=fast: expected a number"),
        ("--debug=maybe", "flag --debug=maybe: expected true or false"),
        ("--cell=nas", "flag --cell=nas: value should be one of <lstm|gru>"),
        ("--gpu=1 --gpu=b", "flag --gpu=b: expected an integer"),
        ("--size", "flag --size: expected a value, got the end of the command line"),
    ],
)
def test_wrong_values_change_nothing(line: str, message: str) -> None:
    values = defined()
    with pytest.raises(flags.IllegalFlagValueError, match=f"^{message.replace('|', '.')}$"):
        values(["prog", "--name=new", *line.split()])
    values.mark_as_parsed()
    assert values.flag_values_dict() == DEFAULTS


@given(
    st.dictionaries(st.sampled_from(["name", "path"]), st.text()),
    st.integers(),
    st.floats(allow_nan=False),
    st.booleans(),
    st.booleans(),
)
def test_what_is_written_is_read(texts: dict[str, str], size: int, rate: float, debug: bool, joined: bool) -> None:
    values = defined()
    words = ["prog", "--debug" if debug else "--nodebug"]
    for name, value in {**texts, "size": size, "rate": rate}.items():
        words += [f"--{name}={value}"] if joined else [f"--{name}", str(value)]
    assert values(words) == ["prog"]
    expected = {**DEFAULTS, **texts, "size": size, "rate": rate, "debug": debug}
    assert values.flag_values_dict() == expected


@pytest.mark.parametrize("argv", ["prog --size=3", b"prog"])
def test_argv_must_be_a_list(argv: Any) -> None:
    with pytest.raises(TypeError, match="argv: expected a list of strings"):
        defined()(argv)


def test_reading_is_lazy_and_tolerant(monkeypatch: pytest.MonkeyPatch) -> None:
    values = defined()
    monkeypatch.setattr(sys, "argv", ["prog", "--size=9", "--unknown"])
    assert not values.is_parsed()
    assert values.size == 9 and values.is_parsed()
    monkeypatch.setattr(sys, "argv", ["prog", "--size=10"])
    assert values.size == 9
    values.unparse_flags()
    assert values.size == 10


def test_both_ages_of_the_internals(monkeypatch: pytest.MonkeyPatch) -> None:
    values = defined()
    monkeypatch.setattr(sys, "argv", ["prog", "--size=9", "left"])
    # Written through a dictionary because the name would be mangled only inside a class.
    table = eval("values.__flags", {"values": values})
    assert {name: flag.value for name, flag in table.items()} == {**DEFAULTS, "size": 9}
    assert f"{table['size']} {table['size']!s} {table['rate']:.2f} {table['name']!r}" == "9 9 0.50 'model'"
    assert values._parse_flags() == ["left"]
    assert values._parse_flags(["--size", "3", "a", "--b"]) == ["a", "--b"] and values.size == 3
    assert sorted(values._flags()) == sorted(DEFAULTS) == list(values)
    for name in list(values._flags()):
        values.__delattr__(name)
    assert len(values) == 0


def test_assignment() -> None:
    values = defined()
    values.mark_as_parsed()
    values.size = 77
    values.vocabulary = 10000
    assert values.size == 77 and values.vocabulary == 10000 and "vocabulary" in values
    assert values["size"].value == 77 and values["size"].default == 128
    assert values.get_flag_value("path", "fallback") == "fallback" and values.get_flag_value("size", 1) == 77
    assert values.get_flag_value("nothing", 5) == 5


def test_assignment_before_reading_gives_way_to_the_command_line() -> None:
    values = defined()
    values.size, values.rate = 1, 2.0
    values(["prog", "--size=3"])
    assert values.size == 3 and values.rate == 2.0


def test_set_default() -> None:
    values = defined()
    values(["prog", "--size=3"])
    values.set_default("size", 4)
    values.set_default("rate", "0.25")
    assert values.size == 3 and values.rate == 0.25
    with pytest.raises(flags.UnrecognizedFlagError):
        values.set_default("nothing", 1)


def test_undefined_flag() -> None:
    values = defined()
    with pytest.raises(AttributeError, match="no flag 'siz' is defined; nearest: size"):
        _ = values.siz
    with pytest.raises(AttributeError):
        del values.nothing
    assert not hasattr(values, "__deepcopy__") and not values.is_parsed()


@pytest.mark.parametrize(
    ("kind", "default", "expected"),
    [
        ("integer", "12", 12),
        ("integer", 1e3, 1000),
        ("integer", 0.5, 0.5),
        ("integer", float("inf"), float("inf")),
        ("integer", None, None),
        ("float", 1, 1.0),
        ("float", "1e-4", 1e-4),
        ("boolean", "False", False),
        ("boolean", 1, True),
        ("string", 5, 5),
        ("list", ("a", "b"), ["a", "b"]),
        ("list", "a, b", ["a", "b"]),
        ("list", [], []),
        ("multi_string", "a", ["a"]),
        ("multi_float", ["1", 2.0], [1.0, 2.0]),
    ],
)
def test_defaults(kind: str, default: Any, expected: Any) -> None:
    values = flags.FlagValues()
    getattr(flags, f"DEFINE_{kind}")("x", default, "help", flag_values=values)
    values.mark_as_parsed()
    assert values.x == expected and type(values.x) is type(expected)


def test_default_list_is_not_shared() -> None:
    default = ["a"]
    values = flags.FlagValues()
    flags.DEFINE_list("x", default, "", flag_values=values)
    values.mark_as_parsed()
    values.x.append("b")
    assert default == ["a"] and values["x"].default == ["a"]


@pytest.mark.parametrize(
    ("kind", "default"), [("integer", "many"), ("float", "x"), ("boolean", "x"), ("multi_integer", ["x"])]
)
def test_wrong_default_text(kind: str, default: Any) -> None:
    with pytest.raises(flags.IllegalFlagValueError, match=r"flag --x=(many|x): expected"):
        getattr(flags, f"DEFINE_{kind}")("x", default, "help", flag_values=flags.FlagValues())


@pytest.mark.parametrize("name", ["", "--x", "a b", "a=b", 3])
def test_wrong_flag_name(name: Any) -> None:
    with pytest.raises(flags.Error, match="flag name: expected a word"):
        flags.DEFINE_string(name, "", "", flag_values=flags.FlagValues())


def test_bounds() -> None:
    values = flags.FlagValues()
    flags.DEFINE_integer("n", 1, "", lower_bound=0, upper_bound=9, flag_values=values)
    flags.DEFINE_float("p", 0.5, "", 0.0, 1.0, flag_values=values)
    assert values(["prog", "--n=9", "--p=1"]) == ["prog"]
    for line in ("--n=10", "--p=-0.1"):
        with pytest.raises(flags.IllegalFlagValueError, match="expected a value from"):
            values(["prog", line])
    with pytest.raises(flags.IllegalFlagValueError, match="from 0 to 9"):
        flags.DEFINE_integer("m", 10, "", lower_bound=0, upper_bound=9, flag_values=values)


def test_older_keyword_names() -> None:
    values = flags.FlagValues()
    flags.DEFINE_integer(flag_name="n", default_value=3, docstring="text", flag_values=values)
    values.mark_as_parsed()
    assert values.n == 3 and values["n"].help == "text"


def define_in(module: str, values: flags.FlagValues, default: int) -> None:
    space = {"__name__": module, "flags": flags, "values": values}
    exec(f"flags.DEFINE_integer('n', {default}, 'from {module}', flag_values=values)", space)


def test_defining_twice() -> None:
    values = flags.FlagValues()
    define_in("one", values, 1)
    define_in("one", values, 2)  # a notebook's cell run again
    assert values["n"].default == 2 and values["n"].module == "one"
    with pytest.raises(flags.DuplicateFlagError, match=r"'n' is defined twice\. First from one, Second from two"):
        define_in("two", values, 3)
    assert values["n"].default == 2


def test_defining_what_was_only_assigned() -> None:
    values = flags.FlagValues()
    values.n = 5
    define_in("one", values, 1)
    values.mark_as_parsed()
    assert values.n == 1


def test_defined_after_the_command_line_was_read() -> None:
    values = defined()
    values(["prog", "--size=3", "--late=4", "--size", "5"], known_only=True)
    flags.DEFINE_integer("late", 1, "", flag_values=values)
    assert values.late == 4 and values.size == 5


def test_required_and_validated() -> None:
    values = defined()
    flags.mark_flags_as_required(["path"], values)
    flags.register_validator("size", lambda size: size % 2 == 0, "must be even", values)
    with pytest.raises(flags.ValidationError, match=r"--path=None: Flag must have a value other than None\."):
        values(["prog"])
    assert not values.is_parsed()
    with pytest.raises(flags.ValidationError, match="--size=3: must be even"):
        values(["prog", "--path=x", "--size=3"])
    values(["prog", "--path=x", "--size=4"])
    with pytest.raises(flags.ValidationError, match="--size=5: must be even"):
        values.size = 5
    assert values.size == 4
    with pytest.raises(flags.UnrecognizedFlagError):
        flags.mark_flag_as_required("nothing", values)


def test_required_at_definition() -> None:
    values = flags.FlagValues()
    flags.DEFINE_string("path", None, "", required=True, flag_values=values)
    with pytest.raises(flags.ValidationError):
        values(["prog"])


@pytest.mark.parametrize("word", ["--help", "-h", "-help", "--helpfull"])
def test_help(word: str, capsys: pytest.CaptureFixture[str]) -> None:
    values = defined()
    with pytest.raises(SystemExit) as ended:
        values(["prog", "--size=3", word])
    assert ended.value.code == 0
    text = capsys.readouterr().out
    for part in ("--[no]train: A boolean", "--size: An integer", "(default: 128; integer)", "one of lstm|gru"):
        assert part in text


def test_missing_names_of_the_modules() -> None:
    with pytest.raises(AttributeError, match=r"tf\.flags\.DEFINE_strin is not available .* tf\.flags\.DEFINE_string"):
        _ = flags.DEFINE_strin


# ---------------------------------------------------------------------------------- tf.app.run, in fresh processes

PROGRAM = """
    '''What the program is for.'''
    import sys
    from tensorflow import app, flags
    flags.DEFINE_integer("size", 3, "how many")
    FLAGS = flags.FLAGS
    def main(argv):
        print(argv, FLAGS.size)
        return FLAGS.size if FLAGS.size > 100 else None
    def other(argv):
        print("other", argv)
    """


def run(folder: Path, call: str, *words: str) -> Done:
    (folder / "prog.py").write_text(textwrap.dedent(PROGRAM) + call)
    return light_command("run", "prog.py", *words, cwd=folder)


@pytest.mark.parametrize(
    ("call", "words", "status", "output"),
    [
        ("app.run()", ["--size=5", "x", "--y"], 0, "['prog.py', 'x', '--y'] 5\n"),
        ("app.run()", ["--size", "101"], 101, "['prog.py'] 101\n"),
        ("app.run(main=other)", ["x"], 0, "other ['prog.py', 'x']\n"),
        ("app.run(other, ['p', '--size=7', 'z'])", ["x"], 0, "other ['p', 'z']\n"),
        ("print(FLAGS.size); app.run()", ["--size=5"], 0, "5\n['prog.py'] 5\n"),
        ("print(FLAGS.__flags['size'], sorted(FLAGS.__flags.items()))", ["--size=5"], 0, "5 [('size', 5)]\n"),
        ("print(FLAGS(sys.argv), FLAGS.size)", ["a", "--size=5"], 0, "['prog.py', 'a'] 5\n"),
    ],
)
def test_run(tmp_path: Path, call: str, words: list[str], status: int, output: str) -> None:
    done = run(tmp_path, call, *words)
    assert (done.returncode, done.stdout, done.stderr) == (status, output, "")


def test_run_with_a_wrong_value(tmp_path: Path) -> None:
    done = run(tmp_path, "app.run()", "--size=many")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        "FATAL Flags parsing error:\n  flag --size=many: expected an integer\nPass --help to see help on flags.\n"
    )


def test_run_help(tmp_path: Path) -> None:
    text = succeeded(run(tmp_path, "app.run()", "--help")).stdout
    assert text.startswith("What the program is for.\nflags:\n\nprog.py:\n  --size: how many\n")


def test_run_without_main(tmp_path: Path) -> None:
    (tmp_path / "prog.py").write_text("from tensorflow import app\napp.run()\n")
    done = light_command("run", "prog.py", cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr.endswith(
        "AttributeError: tf.app.run: the script has no function 'main'; define it or pass main=\n"
    )
