"""Doubles for your own tests: a model in memory (`DummyLM`) and a model over real HTTP (`ScriptedModel`)."""

from __future__ import annotations

from dspex.testing.scripted_model import Reply, ScriptedModel
from dspex.utils.dummies import DummyLM

__all__ = ["DummyLM", "Reply", "ScriptedModel"]
