from types import SimpleNamespace

import pytest

from dspex.primitives.module import set_attribute_by_name
from dspex.utils import magicattr


def tree() -> SimpleNamespace:
    return SimpleNamespace(a=SimpleNamespace(b=[1, {"x": SimpleNamespace(c=2)}]), d={"k y": 3, -1: 4})


@pytest.mark.parametrize(
    ("path", "value"), [("a.b[0]", 1), ("a.b[1]['x'].c", 2), ("d['k y']", 3), ("d[-1]", 4), ("a.b[-1]['x'].c", 2)]
)
def test_a_part_is_read_replaced_and_taken_away_by_its_path(path: str, value: int) -> None:
    obj = tree()
    assert magicattr.get(obj, path) == value
    set_attribute_by_name(obj, path, 9)
    assert magicattr.get(obj, path) == 9
    magicattr.delete(obj, path)
    assert magicattr.get(obj, path, default=None) != 9


def test_what_is_not_there_is_an_error_unless_there_is_a_default() -> None:
    with pytest.raises(AttributeError):
        magicattr.get(tree(), "a.z")
    with pytest.raises(KeyError):
        magicattr.get(tree(), "d['z']")
    assert magicattr.get(tree(), "a.z.q", default=0) == 0


@pytest.mark.parametrize("path", ["a.b()", "a[x]", "", "a.", "1", "f(a).b"])
def test_nothing_else_than_a_path_is_read(path: str) -> None:
    with pytest.raises((ValueError, SyntaxError, NotImplementedError)):
        magicattr.get(tree(), path)


def test_the_last_part_is_found_with_its_owner() -> None:
    obj = tree()
    assert magicattr.lookup(obj, "a.b[0]") == (obj.a.b, 0, True)
    assert magicattr.lookup(obj, "a") == (obj, "a", False)
