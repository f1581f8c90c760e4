"""``tf.gfile`` against the file system itself, and its errors."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dynrnn.tf1 import gfile
from dynrnn.tf1.core import errors

CONTENT = "first\r\nsecond \u00e4\n\nlast"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "file.txt"
    path.write_bytes(CONTENT.encode())
    return path


@pytest.mark.parametrize("opener", [gfile.GFile, gfile.Open, gfile.FastGFile])
@pytest.mark.parametrize("mode", ["r", "rb", "r+", "rb+"])
@pytest.mark.parametrize("as_path", [str, os.fsencode, Path])
def test_reading(file: Path, opener: Any, mode: str, as_path: Callable[[Any], Any]) -> None:
    def kind(text: str) -> Any:
        return text.encode() if "b" in mode else text

    lines = [kind(line) for line in ("first\r\n", "second \u00e4\n", "\n", "last")]
    name = as_path(str(file))
    with opener(name, mode) as handle:
        assert handle.read() == kind(CONTENT) and handle.read() == kind("")
        handle.seek(0)
        assert handle.readlines() == lines and handle.readline() == kind("")
        handle.seek(0)
        assert list(handle) == lines
        handle.seek(0)
        assert [handle.readline() for _ in range(5)] == [*lines, kind("")]
        assert handle.name is name and handle.mode == mode and handle.size() == len(CONTENT.encode())
    assert [line for line in opener(name, mode)] == lines


def test_positions(file: Path) -> None:
    handle = gfile.GFile(str(file), "r")
    assert handle.read(5) == "first" and handle.tell() == 5
    handle.seek(2, 1)
    assert handle.read(6) == "second" and handle.tell() == 13
    handle.seek(-4, 2)
    assert handle.read() == "last"
    handle.seek(position=0)
    assert handle.readline() == "first\r\n"
    with pytest.raises(errors.InvalidArgumentError, match="whence"):
        handle.seek(0, 3)
    with pytest.raises(TypeError):
        handle.seek()
    handle.close()
    assert handle.read(2) == "fi"  # opened anew at the next use
    handle.close()


@pytest.mark.parametrize("mode", ["w", "wb", "w+", "wb+"])
def test_writing(tmp_path: Path, mode: str) -> None:
    path = tmp_path / "new"
    path.write_text("old content")
    with gfile.GFile(path, mode) as handle:
        handle.write("a\u00e4\n")
        handle.write(b"\xc3\xa4\r\n")
        assert handle.size() == 8 and handle.tell() == 8
        handle.flush()
        assert path.read_bytes() == b"a\xc3\xa4\n\xc3\xa4\r\n"
        if "+" in mode:
            handle.seek(1)
            assert handle.readline() == (b"\xc3\xa4\n" if "b" in mode else "\u00e4\n")
    assert path.read_bytes() == b"a\xc3\xa4\n\xc3\xa4\r\n"


def test_appending(file: Path) -> None:
    with gfile.GFile(file, "a") as handle:
        handle.write("more")
    assert file.read_bytes() == (CONTENT + "more").encode()


def test_nothing_written_makes_an_empty_file(tmp_path: Path) -> None:
    with gfile.GFile(tmp_path / "empty", "w"):
        pass
    assert (tmp_path / "empty").read_bytes() == b""


@given(st.lists(st.one_of(st.text(st.characters(exclude_categories=["Cs"])), st.binary())))
def test_round_trip(tmp_path_factory: pytest.TempPathFactory, parts: list[str | bytes]) -> None:
    path = tmp_path_factory.mktemp("gfile") / "f"
    with gfile.GFile(path, "wb") as handle:
        for part in parts:
            handle.write(part)
    whole = b"".join(part.encode() if isinstance(part, str) else part for part in parts)
    assert gfile.GFile(path, "rb").read() == whole
    lines = list(gfile.GFile(path, "rb"))
    assert b"".join(lines) == whole and all(line.endswith(b"\n") for line in lines[:-1])


def test_opening_is_lazy(tmp_path: Path) -> None:
    handle = gfile.GFile(tmp_path / "nothing")
    with pytest.raises(errors.NotFoundError, match="nothing; No such file or directory") as caught:
        handle.read()
    assert caught.value.error_code == errors.NOT_FOUND
    gfile.GFile(tmp_path / "nothing").close()
    assert not (tmp_path / "nothing").exists()


@pytest.mark.parametrize("mode", ["x", "", "rw", "rbb", "U"])
def test_wrong_mode(mode: str) -> None:
    with pytest.raises(errors.InvalidArgumentError, match="mode: expected one of r, w, a"):
        gfile.GFile("f", mode)


def test_wrong_direction(file: Path) -> None:
    with pytest.raises(errors.PermissionDeniedError, match="isn't open for writing"):
        gfile.GFile(file, "r").write("x")
    for mode in ("w", "a"):
        for call in (lambda f: f.read(), lambda f: f.readline(), lambda f: f.readlines(), lambda f: f.seek(0), next):
            with pytest.raises(errors.PermissionDeniedError, match="isn't open for reading"):
                call(gfile.GFile(file, mode))
    assert file.read_bytes() == CONTENT.encode()


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name in ("a/one.txt", "a/two.txt", "a/.hidden.txt", "a/b/three.txt", "c/four.csv"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    return tmp_path


def test_questions(tree: Path) -> None:
    assert gfile.Exists(tree) and gfile.Exists(str(tree / "a/one.txt")) and not gfile.Exists(tree / "no")
    assert gfile.IsDirectory(tree / "a") and not gfile.IsDirectory(tree / "a/one.txt") and not gfile.IsDirectory("no")
    status = gfile.Stat(tree / "a/one.txt")
    assert (status.length, status.is_directory) == (9, False)
    assert status.mtime_nsec == os.stat(tree / "a/one.txt").st_mtime_ns and gfile.Stat(tree / "a").is_directory
    assert gfile.ListDirectory(tree / "a") == [".hidden.txt", "b", "one.txt", "two.txt"]


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("a/*.txt", ["a/.hidden.txt", "a/one.txt", "a/two.txt"]),
        ("a/t*", ["a/two.txt"]),
        ("*/*.csv", ["c/four.csv"]),
        ("a/[ot]??.txt", ["a/one.txt", "a/two.txt"]),
        ("*", ["a", "c"]),
        ("a/b/three.txt", ["a/b/three.txt"]),
        ("a/*/three.*", ["a/b/three.txt"]),
        ("**", ["a", "c"]),
        ("none*", []),
        ("none/*", []),
        ("none", []),
    ],
)
def test_glob(tree: Path, monkeypatch: pytest.MonkeyPatch, pattern: str, expected: list[str]) -> None:
    assert gfile.Glob(str(tree / pattern)) == [str(tree / name) for name in expected]
    monkeypatch.chdir(tree)
    assert gfile.Glob(pattern) == expected


def test_glob_of_several(tree: Path) -> None:
    found = gfile.Glob([str(tree / "c/*"), str(tree / "a/o*")])
    assert found == [str(tree / "c/four.csv"), str(tree / "a/one.txt")]


def test_walk(tree: Path) -> None:
    expected = [
        (str(tree), ["a", "c"], []),
        (str(tree / "a"), ["b"], [".hidden.txt", "one.txt", "two.txt"]),
        (str(tree / "a/b"), [], ["three.txt"]),
        (str(tree / "c"), [], ["four.csv"]),
    ]
    assert list(gfile.Walk(tree)) == expected
    children_first = [folder for folder, _, _ in gfile.Walk(tree, in_order=False)]
    assert sorted(children_first) == sorted(folder for folder, _, _ in expected)
    assert children_first.index(str(tree / "a/b")) < children_first.index(str(tree / "a"))
    assert children_first[-1] == str(tree)
    assert list(gfile.Walk(tree / "no")) == []


def test_making_and_deleting(tree: Path) -> None:
    gfile.MkDir(tree / "new")
    gfile.MakeDirs(str(tree / "x/y/z"))
    gfile.MakeDirs(tree / "x/y/z")
    assert (tree / "new").is_dir() and (tree / "x/y/z").is_dir()
    gfile.Remove(tree / "a/one.txt")
    gfile.DeleteRecursively(tree / "a")
    gfile.DeleteRecursively(tree / "c/four.csv")
    assert sorted(path.name for path in tree.iterdir()) == ["c", "new", "x"] and not list((tree / "c").iterdir())


def test_deleting_a_link_leaves_its_target(tree: Path) -> None:
    for name, delete in (("l1", gfile.Remove), ("l2", gfile.DeleteRecursively)):
        (tree / name).symlink_to(tree / "a")
        delete(tree / name)
        assert not (tree / name).is_symlink()
    assert (tree / "a/one.txt").exists()


def test_copy_and_rename(tree: Path) -> None:
    one, two = tree / "a/one.txt", tree / "a/two.txt"
    gfile.Copy(one, tree / "copy")
    assert (tree / "copy").read_text() == one.read_text() == "a/one.txt"
    gfile.Rename(tree / "copy", tree / "moved")
    assert not (tree / "copy").exists() and (tree / "moved").read_text() == "a/one.txt"
    for act in (gfile.Copy, gfile.Rename):
        with pytest.raises(errors.AlreadyExistsError, match=r"two\.txt; file already exists"):
            act(one, two)
    assert two.read_text() == "a/two.txt"
    gfile.Copy(one, two, overwrite=True)
    assert two.read_text() == "a/one.txt"
    gfile.Rename(tree / "c/four.csv", one, overwrite=True)
    assert one.read_text() == "c/four.csv"


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda t: gfile.MkDir(t / "a"), errors.AlreadyExistsError),
        (lambda t: gfile.MkDir(t / "no/x"), errors.NotFoundError),
        (lambda t: gfile.MakeDirs(t / "a/one.txt"), errors.AlreadyExistsError),
        (lambda t: gfile.MakeDirs(t / "a/one.txt/x"), errors.FailedPreconditionError),
        (lambda t: gfile.Remove(t / "no"), errors.NotFoundError),
        (lambda t: gfile.Remove(t / "a"), errors.FailedPreconditionError),
        (lambda t: gfile.DeleteRecursively(t / "no"), errors.NotFoundError),
        (lambda t: gfile.ListDirectory(t / "no"), errors.NotFoundError),
        (lambda t: gfile.ListDirectory(t / "a/one.txt"), errors.NotFoundError),
        (lambda t: gfile.Stat(t / "no"), errors.NotFoundError),
        (lambda t: gfile.Copy(t / "no", t / "x"), errors.NotFoundError),
        (lambda t: gfile.Copy(t / "a", t / "x"), errors.FailedPreconditionError),
        (lambda t: gfile.Copy(t / "a/one.txt", t / "a/one.txt", overwrite=True), errors.UnknownError),
        (lambda t: gfile.Rename(t / "no", t / "x"), errors.NotFoundError),
        (lambda t: gfile.GFile(t / "a").read(), errors.FailedPreconditionError),
        (lambda t: gfile.GFile(t / "no/x", "w").write("x"), errors.NotFoundError),
        (lambda t: gfile.GFile(t / ("x" * 300), "w").write("x"), errors.InvalidArgumentError),
    ],
)
def test_errors_are_tensorflows(tree: Path, call: Callable[[Path], Any], error: type[errors.OpError]) -> None:
    with pytest.raises(error) as caught:
        call(tree)
    assert type(caught.value) is error and str(tree) in caught.value.message and "None" not in caught.value.message


@pytest.mark.parametrize("name", [None, 3, 1.5])
def test_wrong_path(name: Any) -> None:
    for call in (gfile.Exists, gfile.IsDirectory, gfile.Stat, gfile.Remove, gfile.MakeDirs, gfile.Glob):
        with pytest.raises(TypeError):
            call(name)


def test_missing_name() -> None:
    with pytest.raises(AttributeError, match=r"tf\.gfile\.ListDir is not available .* tf\.gfile\.ListDirectory"):
        _ = gfile.ListDir
