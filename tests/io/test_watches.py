"""What is watched: paths and numbers, renamed and ended."""

from __future__ import annotations

from circuits.io._watches import Watch, Watches


def watch(path: str) -> Watch:
    return Watch(path, 0, is_dir=True, recursive=True, auto_add=False)


def paths(watches: Watches) -> set[str]:
    return {watch.path for watch in watches.all()}


def test_two_paths_share_a_number() -> None:
    watches = Watches()
    assert watches.add(1, watch("/a")) == []
    assert watches.add(1, watch("/link")) == []
    assert [w.path for w in watches.of(1)] == ["/a", "/link"]
    assert watches.remove("/a", recursive=False) == []
    assert watches.remove("/link", recursive=False) == [1]
    assert watches.of(1) == ()


def test_a_path_has_one_number() -> None:
    watches = Watches()
    watches.add(1, watch("/a"))
    assert watches.add(1, watch("/a")) == []
    assert watches.add(2, watch("/a")) == [1]
    assert watches.number("/a") == 2
    assert watches.number("/b") is None


def test_what_is_below_goes_along() -> None:
    watches = Watches()
    for number, path in enumerate(["/a", "/a/b", "/a/b/c", "/ab"]):
        watches.add(number, watch(path))
    assert watches.remove("/a/b", recursive=True) == [1, 2]
    assert paths(watches) == {"/a", "/ab"}
    assert watches.remove("/nobody", recursive=True) == []


def test_a_folder_and_all_below_get_another_name() -> None:
    watches = Watches()
    for number, path in enumerate(["/a", "/a/b", "/a/b/c", "/a/bc"]):
        watches.add(number, watch(path))
    watches.rename("/a/b", "/a/x")
    assert paths(watches) == {"/a", "/a/x", "/a/x/c", "/a/bc"}
    assert watches.number("/a/x/c") == 2
    assert watches.number("/a/b") is None


def test_the_kernel_ends_a_watch() -> None:
    watches = Watches()
    watches.add(1, watch("/a"))
    watches.end(1)
    watches.end(1)
    assert watches.number("/a") is None
    watches.add(2, watch("/a"))
    watches.clear()
    assert paths(watches) == set()
