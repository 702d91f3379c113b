import os
from dataclasses import dataclass
from pathlib import Path

import pytest

from pilothouse_operator.sources.manifests import Syntax
from pilothouse_operator.sources.tree import Change, Failed, Gone, Text, Tree


@dataclass
class Hands:
    """A clock that moves when told to."""

    now: float = 0.0

    def monotonic(self) -> float:
        return self.now

    def wall(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Hands:
    return Hands()


@pytest.fixture
def tree(tmp_path: Path, clock: Hands) -> Tree:
    return Tree(root=tmp_path, clock=clock)


def settle(tree: Tree, clock: Hands) -> list[Change]:
    """What is seen once everything has kept still for a second."""
    first = tree.step()
    clock.now += 1
    return first + tree.step()


def test_reads_manifests_in_all_folders_and_nothing_else(tmp_path: Path, tree: Tree) -> None:
    (tmp_path / "b" / "c").mkdir(parents=True)
    (tmp_path / ".git").mkdir()
    for name in ("a.yaml", "b/b.yml", "b/c/c.json", "README.md", ".hidden.yaml", ".git/x.yaml", "a.yaml~"):
        (tmp_path / name).write_text(f"{name}\n")
    assert tree.read() == [
        Text("a.yaml", "a.yaml\n", Syntax.YAML),
        Text("b/b.yml", "b/b.yml\n", Syntax.YAML),
        Text("b/c/c.json", "b/c/c.json\n", Syntax.JSON),
    ]


def test_nothing_changed_is_nothing_seen(tmp_path: Path, tree: Tree, clock: Hands) -> None:
    (tmp_path / "a.yaml").write_text("a\n")
    tree.read()
    assert settle(tree, clock) == []


def test_a_change_is_seen_once_it_keeps_still(tmp_path: Path, tree: Tree, clock: Hands) -> None:
    tree.read()
    (tmp_path / "a.yaml").write_text("a\n")
    assert tree.step() == []
    assert tree.stirring
    (tmp_path / "a.yaml").write_text("a\nb\n")
    clock.now += 0.15
    assert tree.step() == []
    clock.now += 0.15
    assert tree.step() == [Text("a.yaml", "a\nb\n", Syntax.YAML)]
    assert not tree.stirring


def test_a_file_without_a_final_newline_is_given_more_time(tmp_path: Path, tree: Tree, clock: Hands) -> None:
    tree.read()
    (tmp_path / "a.yaml").write_text("half")
    assert tree.step() == []
    clock.now += 0.2
    assert tree.step() == []
    clock.now += 0.3
    assert tree.step() == [Text("a.yaml", "half", Syntax.YAML)]


def test_a_busy_file_does_not_hold_up_the_others(tmp_path: Path, tree: Tree, clock: Hands) -> None:
    tree.read()
    (tmp_path / "quiet.yaml").write_text("q\n")
    (tmp_path / "busy.yaml").write_text("1\n")
    tree.step()
    (tmp_path / "busy.yaml").write_text("1\n2\n")
    clock.now += 0.2
    assert tree.step() == [Text("quiet.yaml", "q\n", Syntax.YAML)]


def test_a_file_that_is_gone_for_a_moment_is_not_gone(tmp_path: Path, tree: Tree, clock: Hands) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("old\n")
    tree.read()
    path.unlink()
    assert tree.step() == []
    clock.now += 0.05
    path.write_text("new\n")
    assert settle(tree, clock) == [Text("a.yaml", "new\n", Syntax.YAML)]


def test_a_deleted_file_is_gone(tmp_path: Path, tree: Tree, clock: Hands) -> None:
    (tmp_path / "a.yaml").write_text("a\n")
    tree.read()
    (tmp_path / "a.yaml").unlink()
    assert settle(tree, clock) == [Gone("a.yaml")]
    assert settle(tree, clock) == []


def test_an_atomic_rename_is_one_change(tmp_path: Path, tree: Tree, clock: Hands) -> None:
    (tmp_path / "a.yaml").write_text("old\n")
    tree.read()
    (tmp_path / "a.yaml.tmp").write_text("new\n")
    (tmp_path / "a.yaml.tmp").replace(tmp_path / "a.yaml")
    assert settle(tree, clock) == [Text("a.yaml", "new\n", Syntax.YAML)]


def test_same_size_same_time_is_still_a_change(tmp_path: Path, tree: Tree, clock: Hands) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("old\n")
    status = path.stat()
    tree.read()
    path.write_text("new\n")
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert settle(tree, clock) == [Text("a.yaml", "new\n", Syntax.YAML)]


def test_a_mounted_config_map_swaps_all_files_at_once(tmp_path: Path, tree: Tree, clock: Hands) -> None:
    for version in ("1", "2"):
        (tmp_path / f"..{version}").mkdir()
        for name in ("a.yaml", "b.yaml"):
            (tmp_path / f"..{version}" / name).write_text(f"{name} {version}\n")
    (tmp_path / "..data").symlink_to("..1")
    for name in ("a.yaml", "b.yaml"):
        (tmp_path / name).symlink_to(f"..data/{name}")
    assert tree.read() == [Text("a.yaml", "a.yaml 1\n", Syntax.YAML), Text("b.yaml", "b.yaml 1\n", Syntax.YAML)]
    (tmp_path / "..data_tmp").symlink_to("..2")
    (tmp_path / "..data_tmp").replace(tmp_path / "..data")
    assert settle(tree, clock) == [
        Text("a.yaml", "a.yaml 2\n", Syntax.YAML),
        Text("b.yaml", "b.yaml 2\n", Syntax.YAML),
    ]


def test_a_link_to_nothing_is_a_fault_and_not_gone(tmp_path: Path, tree: Tree, clock: Hands) -> None:
    (tmp_path / "real").write_text("a\n")
    (tmp_path / "a.yaml").symlink_to("real")
    tree.read()
    (tmp_path / "real").unlink()
    assert settle(tree, clock) == [Failed("a.yaml", "is a link to a file that is not there")]


def test_links_in_a_circle_end(tmp_path: Path, tree: Tree) -> None:
    (tmp_path / "a.yaml").write_text("a\n")
    (tmp_path / "again").symlink_to(tmp_path)
    assert [change.path for change in tree.read()] == ["a.yaml"]


def test_a_directory_that_vanishes_whole_takes_nothing_along(tmp_path: Path, clock: Hands) -> None:
    root = tmp_path / "manifests"
    root.mkdir()
    (root / "a.yaml").write_text("a\n")
    tree = Tree(root=root, clock=clock)
    tree.read()
    root.rename(tmp_path / "away")
    assert settle(tree, clock) == [Failed("./", "cannot be listed (No such file or directory)")]
    (tmp_path / "away").rename(root)
    assert settle(tree, clock) == [Gone("./")]


def test_a_file_that_is_not_utf8_is_a_fault(tmp_path: Path, tree: Tree) -> None:
    (tmp_path / "a.yaml").write_bytes(b"a: \xff\n")
    assert tree.read() == [Failed("a.yaml", "is not UTF-8")]


def test_a_byte_order_mark_is_left_out(tmp_path: Path, tree: Tree) -> None:
    (tmp_path / "a.yaml").write_bytes(b"\xef\xbb\xbfa\n")
    assert tree.read() == [Text("a.yaml", "a\n", Syntax.YAML)]


def test_a_pipe_is_not_waited_for(tmp_path: Path, tree: Tree) -> None:
    os.mkfifo(tmp_path / "a.yaml")
    assert tree.read() == [Failed("a.yaml", "is not a regular file")]
