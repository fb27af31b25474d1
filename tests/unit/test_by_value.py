"""Modules pickled with their code, for the length of a save."""

import types

import cloudpickle
import pytest

from dspex.by_value import serialize_by_value


@pytest.fixture
def module(monkeypatch: pytest.MonkeyPatch) -> types.ModuleType:
    made = types.ModuleType("pickled_by_value_in_a_test")
    monkeypatch.setitem(__import__("sys").modules, made.__name__, made)
    return made


def registered(module: types.ModuleType) -> bool:
    return module.__name__ in cloudpickle.list_registry_pickle_by_value()


def test_a_module_is_registered_until_the_last_save_ends(module: types.ModuleType) -> None:
    with serialize_by_value([module]):
        with serialize_by_value([module]):
            assert registered(module)
        assert registered(module)
    assert not registered(module)


def test_a_failed_save_registers_nothing_for_good(module: types.ModuleType) -> None:
    with pytest.raises(ZeroDivisionError), serialize_by_value([module]):
        raise ZeroDivisionError
    assert not registered(module)


def test_what_the_user_registered_stays(module: types.ModuleType) -> None:
    cloudpickle.register_pickle_by_value(module)
    with serialize_by_value([module]):
        assert registered(module)
    assert registered(module)
    cloudpickle.unregister_pickle_by_value(module)


def test_no_modules_are_no_work() -> None:
    with serialize_by_value(None):
        pass
