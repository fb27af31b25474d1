"""What becomes of Python code."""

from __future__ import annotations

from typing import Any

import pytest

from dspex.migrate.python import rewrite_python
from dspex.migrate.rewritten import UnreadableError


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("import dspy\n", "import dspex as dspy\n"),
        ("import dspy as d\n", "import dspex as d\n"),
        ("import os, dspy  # both\n", "import os, dspex as dspy  # both\n"),
        ("import dspy.evaluate\n", "import dspex as dspy\n"),
        ("import dspy.evaluate as e\n", "import dspex.evaluate as e\n"),
        ("import dspy.evaluate.metrics  # m\n", "import dspex as dspy\nimport dspex.evaluate.metrics  # m\n"),
        ("import dspy\nimport dspy.evaluate\n", "import dspex as dspy\nimport dspex.evaluate\n"),
        ("import dspy.evaluate.metrics, os\n", "import dspex as dspy, dspex.evaluate.metrics, os\n"),
        ("if 1: import dspy.evaluate.metrics\n", "if 1: import dspex as dspy, dspex.evaluate.metrics\n"),
        (
            "def f():\n\timport dspy.evaluate.metrics\r\n",
            "def f():\n\timport dspex as dspy\r\n\timport dspex.evaluate.metrics\r\n",
        ),
        (
            "def f():\n    import dspy\n\n\ndef g():\n    import dspy.evaluate\n",
            "def f():\n    import dspex as dspy\n\n\ndef g():\n    import dspex as dspy\n",
        ),
        ("from dspy import (\n  LM,  # a\n)\n", "from dspex import (\n  LM,  # a\n)\n"),
        ("from dspy.evaluate.metrics import EM as e", "from dspex.evaluate.metrics import EM as e"),
        (
            "try:\n    import dspy\nexcept ImportError:\n    dspy = None\n",
            "try:\n    import dspex as dspy\nexcept ImportError:\n    dspy = None\n",
        ),
        ("import dspy; x = dspy.LM\n", "import dspex as dspy; x = dspy.LM\n"),
        ("m = __import__('dspy')\n", "m = __import__('dspex')\n"),
        ('importlib.import_module("dspy.evaluate")\n', 'importlib.import_module("dspex.evaluate")\n'),
        ('@patch("dspy.LM.forward", x)\ndef f(): ...\n', '@patch("dspex.LM.forward", x)\ndef f(): ...\n'),
        ("monkeypatch.setattr('dspy.LM', 1)\n", "monkeypatch.setattr('dspex.LM', 1)\n"),
        ('sys.modules["dspy.evaluate"] = x\n', 'sys.modules["dspex.evaluate"] = x\n'),
        ('patch.dict(sys.modules, {"dspy": None})\n', 'patch.dict(sys.modules, {"dspex": None})\n'),
        ('"dspy" in sys.modules\n', '"dspex" in sys.modules\n'),
        ('logging.getLogger("dspy.teleprompt.any")\n', 'logging.getLogger("dspex.teleprompt.any")\n'),
        ('setup(install_requires=["dspy", "x"])\n', 'setup(install_requires=["dspex", "x"])\n'),
        ('x = ["dspy-ai>=2.5,<3"]\n', 'x = ["dspex"]\n'),
        (
            '# /// script\n# dependencies = ["dspy>=3"]\n# ///\nimport dspy\n',
            '# /// script\n# dependencies = ["dspex"]\n# ///\nimport dspex as dspy\n',
        ),
    ],
)
def test_code_is_rewritten_and_the_rest_stays(before: str, after: str) -> None:
    done = rewrite_python(before)
    assert (done.text, done.remarks) == (after, [])
    assert done.changes >= 1
    again = rewrite_python(after)
    assert (again.text, again.changes, again.remarks) == (after, 0, [])


@pytest.mark.parametrize(
    "code",
    [
        "import dspy_extra\nfrom dspy_extra.x import y\n",
        "from . import dspy\nfrom .dspy import LM\n",
        "def f(dspy):\n    return dspy.Nothing, 'dspy'\n",
        "import dspex as dspy\nx: 'dspy.LM'\ncast('dspy.LM', y)\nz = Optional['dspy.Module']\n",
        '"""import dspy\n"""\n# import dspy\nlabel = {"dspy": 1}\nprint("dspy")\n',
        "import dspex as dspy\nhasattr(dspy, 'Nope'), getattr(dspy, 'Nope', None)\n",
        "import dspex as dspy\ns = 'image: dspy.LM -> answer'\n",
        "x = 1  \n\n\n",
        "",
    ],
)
def test_what_is_not_dspys_is_left_alone(code: str) -> None:
    done = rewrite_python(code)
    assert (done.text, done.changes, done.remarks) == (code, 0, [])


@pytest.mark.parametrize(
    ("code", "line", "said"),
    [
        ("import dspy\n\ndspy.OpenAI(model='m')\n", 3, r'has no OpenAI: removed from DSPy; write dspy.LM\("provider/'),
        ("import dspy as d\nd.Assert(x)\n", 2, "has no Assert: removed from DSPy; .*Refine"),
        ("from dspy import (\n  LM,\n  TypedPredictor,\n)\n", 3, "has no TypedPredictor: .*types"),
        ("import dspy.functional.x\n", 1, "has no functional: removed"),
        ("from dspy.nowhere import LM\n", 1, "has no nowhere: LM is dspex\\.LM"),
        ("import dspy\ndspy.evaluate.Nope()\n", 2, r"has no evaluate\.Nope"),
        (
            "import dspy\ndspy.predict.LabeledFewShot\n",
            2,
            r"has no predict\.LabeledFewShot: LabeledFewShot is dspex\.Labeled",
        ),
        ("import dspy\ndspy.ChainOfThoughts\n", 2, r"did you mean dspex\.ChainOfThought\?"),
        ("import dspy\nx: 'dspy.Nope | None' = None\n", 2, "has no Nope"),
        ("import dspy\ns = 'image: dspy.Nope -> answer'\n", 2, "has no Nope"),
        ("import dspy\nif dspy.__version__ > '2': ...\n", 2, "own version"),
        ("from dspy import *\n", 1, "star import"),
        ("import dspy\ngetattr(dspy, name)\n", 2, "only known when it runs"),
        ("import dspy\ngetattr(dspy, 'Nope')\n", 2, "has no Nope"),
        ("import dspy\npatch.object(dspy, 'Nope')\n", 2, "has no Nope"),
        ("patch('dspy.LM.nope')\n", 1, r"has no LM\.nope to patch"),
        ("importlib.import_module('dspy.nope')\n", 1, "has no nope"),
        ("print('dspy.LM')\n", 1, "'dspy.LM' is left as it is"),
        ("f'dspy.{x}'\n", 1, "put together when it runs"),
        ("'dspy.' + x\n", 1, "put together when it runs"),
        ("exec('import dspy')\n", 1, "text that holds code"),
        ("import mlflow.dspy\n", 1, "works on DSPy itself"),
        ("import mlflow\nmlflow.dspy.autolog()\n", 2, "works on DSPy itself"),
        ("x = ['dspy[nope]>=3']\n# /// script\n# d = ['dspy[nope]']\n# ///\n", 3, "no extra nope"),
    ],
)
def test_what_needs_a_hand_is_said_with_its_line(code: str, line: int, said: str) -> None:
    import re

    remarks = rewrite_python(code).remarks
    assert [remark.line for remark in remarks] == [line]
    assert re.search(said, remarks[0].message), remarks


def test_names_are_checked_after_the_migration_too() -> None:
    first = rewrite_python("import dspy\ndspy.Nope\n")
    second = rewrite_python(first.text)
    assert second.changes == 0
    assert second.remarks == first.remarks


def test_what_is_in_dspex_now_is_asked_of_dspex(monkeypatch: pytest.MonkeyPatch) -> None:
    import dspex
    from dspex.migrate import names

    names.problem_with.cache_clear()
    monkeypatch.setattr(dspex, "OpenAI", object(), raising=False)
    assert rewrite_python("import dspy\ndspy.OpenAI\n").remarks == []
    monkeypatch.undo()
    names.problem_with.cache_clear()


@pytest.mark.parametrize("code", ["import dspy (\n", "x = (\n", "print 'dspy'\n"])
def test_what_is_not_python_is_an_error_of_its_own(code: str) -> None:
    with pytest.raises(UnreadableError, match="not valid Python"):
        rewrite_python(code)


def test_every_public_name_of_dspex_is_known(monkeypatch: Any) -> None:
    import dspex
    from dspex.migrate.names import problem_with

    problem_with.cache_clear()
    assert [name for name in dspex.__all__ if name != "__version__" and problem_with(f"dspy.{name}")] == []
