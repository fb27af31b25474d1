"""Requirements, projects, notebooks, and the walk over a tree."""

from __future__ import annotations

import json
import shutil
import stat
from pathlib import Path

import pytest

from dspex.migrate import requirements
from dspex.migrate.find import Kind, files_under
from dspex.migrate.json_strings import strings_of
from dspex.migrate.notebooks import rewrite_notebook
from dspex.migrate.pyproject import rewrite_project
from dspex.migrate.requirements import new_requirement, rewrite_requirements
from dspex.migrate.rewritten import UnreadableError
from dspex.migrate.tree import migrated

BEFORE = Path(__file__).parent / "before"


@pytest.fixture(autouse=True)
def _extras(monkeypatch: pytest.MonkeyPatch) -> None:
    """The extras of a dspex that is installed from this source."""
    monkeypatch.setattr(requirements, "offered_extras", lambda: frozenset({"mcp", "litellm"}))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("dspy", "dspex"),
        ("dspy-ai", "dspex"),
        ("DSPy==2.6.*", "dspex"),
        ("dspy >= 2.5, < 3", "dspex"),
        ("dspy~=3.0 ; python_version < '3.12'", "dspex; python_version < '3.12'"),
        ("dspy[mcp, anthropic]>=3", "dspex[mcp]"),
        ("dspy @ git+https://example.org/dspy.git@main", "dspex"),
        ("dspy_ai", "dspex"),
        ("dspyx", None),
        ("my-dspy", None),
        ("dspy.evaluate", None),
        ("dspy -> answer", None),
        ("dspex", None),
    ],
)
def test_a_requirement_asks_for_dspex(before: str, after: str | None) -> None:
    assert new_requirement(before) == after


def test_a_requirements_file_keeps_its_comments_and_line_ends() -> None:
    text = (
        "# dspy\r\n  dspy-ai[mcp]==2.5  # pinned\r\nnumpy\r\n- 'dspy'\ndspy>=2 --hash=sha256:1\ngit+https://x/dspy.git"
    )
    done = rewrite_requirements(text)
    assert done.text == text.replace("dspy-ai[mcp]==2.5", "dspex[mcp]").replace("- 'dspy'", "- 'dspex'")
    assert done.changes == 2
    assert [remark.line for remark in done.remarks] == [5, 6]
    assert rewrite_requirements(done.text).changes == 0


def test_a_project_is_rewritten_where_it_depends_on_dspy() -> None:
    text = (BEFORE / "pyproject.toml").read_text()
    done = rewrite_project(text)
    assert 'name = "my-dspy-app"' in done.text
    assert "\"dspex[mcp]; python_version >= '3.11'\",  # the language" in done.text
    assert "dev = [\"pytest\", 'dspex']" in done.text
    assert 'dspex = { version = "*", optional = true }' in done.text
    assert [remark.message for remark in done.remarks] == ['names dspy, and is left as it is: module = "dspy.*"']
    assert rewrite_project(done.text).text == done.text
    with pytest.raises(UnreadableError, match="TOML"):
        rewrite_project("dspy = [")


def test_tables_of_pipenv_and_poetry() -> None:
    text = """[packages]
dspy = "==2.5"
[tool.poetry.dependencies]
dspy-ai = "^2"
dspy = {git = "x"}
[tool.uv.sources]
dspy = {path = "x"}
"""
    done = rewrite_project(text)
    assert done.text == text.replace('dspy = "==2.5"', 'dspex = "*"').replace('dspy-ai = "^2"', 'dspex = "*"')
    assert [remark.line for remark in done.remarks] == [5, 7]


def test_a_notebook_keeps_everything_but_its_code() -> None:
    text = (BEFORE / "tour.ipynb.json").read_text(encoding="utf-8")
    done = rewrite_notebook(text)
    changed = [(old, new) for old, new in zip(text.splitlines(), done.text.splitlines(), strict=True) if old != new]
    assert [new.strip() for _, new in changed] == [
        '"%pip install -U dspex\\n",',
        '"import dspex as dspy  # the language\\n",',
        '"import dspex.evaluate.metrics\\n"',
        "\"source\": \"from dspex.evaluate import EM\\nEM('é', ['e'])\"",
    ]
    lines = text.splitlines()
    assert [remark.message.partition(":")[0] for remark in done.remarks] == ["cell 3", "cell 3", "cell 4"]
    assert "dspy.OpenAI" in lines[done.remarks[0].line - 1]
    assert "GEPAX" in lines[done.remarks[1].line - 1]
    assert "pip install dspy" in lines[done.remarks[2].line - 1]
    assert rewrite_notebook(done.text).changes == 0


@pytest.mark.parametrize("indent", [None, 1, "\t"])
@pytest.mark.parametrize("ascii_only", [True, False])
def test_a_statement_that_becomes_two_is_two_lines_of_its_cell(indent: int | str | None, ascii_only: bool) -> None:
    rest = ["y = [\n", "    1\n", "    % 2,\n", "]\n", "!ls \\\n", " -l\n", "z"]
    source = ["x = 'é'\n", "import dspy.evaluate.metrics\n", *rest]
    cell = {"cell_type": "code", "source": source, "outputs": [{"text": "import dspy\n"}]}
    text = json.dumps({"cells": [cell]}, indent=indent, ensure_ascii=ascii_only)
    done = rewrite_notebook(text)
    cell["source"] = [source[0], "import dspex as dspy\n", "import dspex.evaluate.metrics\n", *rest]
    assert json.loads(done.text) == {"cells": [cell]}
    if indent is not None:
        assert done.text == json.dumps({"cells": [cell]}, indent=indent, ensure_ascii=ascii_only)


def test_a_cell_that_is_not_python_is_skipped_and_said_where_it_names_dspy() -> None:
    cells = [{"cell_type": "code", "source": [line]} for line in ("for x in:", "for dspy in:", "import dspy")]
    done = rewrite_notebook(json.dumps({"cells": cells}))
    assert [remark.message for remark in done.remarks] == ["cell 2: not valid Python: cell skipped"]
    assert json.loads(done.text)["cells"][2]["source"] == ["import dspex as dspy"]


@pytest.mark.parametrize("text", ["[]", "{", '{"cells": 1}', '{"worksheets": []}'])
def test_what_is_no_notebook_is_an_error_of_its_own(text: str) -> None:
    with pytest.raises(UnreadableError):
        rewrite_notebook(text)


def test_strings_of_json_are_found_where_they_are() -> None:
    text = '{"a": ["x", {"b": "y\\n"}, 1, null], "": "z",\n "c": {}, "d": []}'
    found = [(each.path, each.value, text[each.start : each.end], each.line) for each in strings_of(text)]
    assert found == [(("a", 0), "x", '"x"', 1), (("a", 1, "b"), "y\n", '"y\\n"', 1), (("",), "z", '"z"', 1)]


def test_a_tree_is_searched_without_what_others_own(tmp_path: Path) -> None:
    for name in [".git/a.py", ".hidden/a.py", "venv/pyvenv.cfg", "venv/a.py", "node_modules/a.py", "b/__pycache__/a.py",
                 "b/a.py", "b/requirements/dev.txt", "b/notes.txt", "Dockerfile", "uv.lock"]:  # fmt: skip
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")
    (tmp_path / "b" / "link.py").symlink_to(tmp_path / "b" / "a.py")
    found = {path.relative_to(tmp_path).as_posix(): kind for path, kind in files_under([tmp_path, tmp_path / "b"])}
    assert found == {
        "Dockerfile": Kind.SCRIPT,
        "uv.lock": Kind.LOCK,
        "b/a.py": Kind.PYTHON,
        "b/requirements/dev.txt": Kind.REQUIREMENTS,
    }
    assert [path for path, _ in files_under([tmp_path / ".hidden"])] == [tmp_path / ".hidden" / "a.py"]


def test_files_keep_their_encoding_their_line_ends_and_their_rights(tmp_path: Path) -> None:
    contents = {
        "bom.py": "\ufeffimport dspy\r\n# é\r\n".encode(),
        "latin.py": "# -*- coding: latin-1 -*-\nimport dspy  # é\n".encode("latin-1"),
        "tabs.py": b"if 1:\n\timport dspy\n\n\n\n",
        "no_end.py": b"import dspy",
    }
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    (tmp_path / "tabs.py").chmod(0o750)
    for file in migrated([tmp_path]):
        assert file.changed
        file.write()
    for name, content in contents.items():
        assert (tmp_path / name).read_bytes() == content.replace(b"import dspy", b"import dspex as dspy")
    assert stat.S_IMODE((tmp_path / "tabs.py").stat().st_mode) == 0o750
    assert not [file for file in migrated([tmp_path]) if file.changed or file.remarks]


def test_what_cannot_be_read_is_said_and_skipped(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_bytes(b"import dspy\n# \xff\n")
    (tmp_path / "b.py").write_text("import dspy\nx = (\n")
    (tmp_path / "c.py").write_text("# coding: klingon\nimport dspy\n")
    (tmp_path / "d.ipynb").write_text("{dspy")
    (tmp_path / "pyproject.toml").write_text("dspy = [\n")
    (tmp_path / "fine.py").write_text("import dspy\n")
    found = {file.path.name: file for file in migrated([tmp_path])}
    assert [name for name, file in found.items() if not file.remarks] == ["fine.py"]
    assert [name for name, file in found.items() if file.changed] == ["fine.py"]
    assert all("skipped" in file.remarks[0].message for name, file in found.items() if name != "fine.py")


def test_scripts_and_lock_files_are_for_a_person(tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text("FROM x\nRUN pip install --no-cache-dir dspy==2.6 y\nCOPY dspy /x\n")
    (tmp_path / "uv.lock").write_text('version = 1\n\n[[package]]\nname = "dspy"\n')
    found = [(file.path.name, [remark.line for remark in file.remarks]) for file in migrated([tmp_path])]
    assert found == [("Dockerfile", [2]), ("uv.lock", [4])]


def test_the_tree_is_left_alone_until_it_is_written(tmp_path: Path) -> None:
    shutil.copytree(BEFORE, tmp_path / "code")
    files = list(migrated([tmp_path / "code"]))
    assert [file for file in files if file.path.read_bytes() != file.before] == []
    assert sum(file.changed for file in files) == 5
