"""Whatever is wrong on a command line is said in one clear line, with the exit status of its kind."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from unit.cli.conftest import Command

LM = ("--lm", "openai/practice", "--api-base", "http://127.0.0.1:9/v1")
HERE = ("--local", "--metric", "exact_match", *LM)


@pytest.fixture
def train(tmp_path: Path) -> Path:
    path = tmp_path / "train.jsonl"
    path.write_text("".join(json.dumps({"text": f"t{n}", "intent": str(n % 2)}) + "\n" for n in range(8)))
    (tmp_path / "someapp.py").write_text(
        "import dspex\nprogram = dspex.Predict('text -> intent')\nnumber = 7\n"
        "def metric(example, prediction): return True\n"
    )
    (tmp_path / "brokenapp.py").write_text("1 / 0\n")
    return path


@pytest.mark.parametrize(
    ("target", "complaint"),
    [
        ("text - intent", "'text - intent' is no program: write a signature"),
        ("text -> in tent", "'in tent', is not a name"),
        ("text -> intent: sometype", "Unknown name: sometype"),
        ("nosuchapp:program", "There is no module 'nosuchapp' to import"),
        ("brokenapp:program", "The module 'brokenapp' failed while it was imported: ZeroDivisionError"),
        ("someapp:porgram", "someapp has no 'porgram'. Did you mean program?"),
        ("someapp:number", "'someapp:number' is a int"),
        ("nosuch.json", "Cannot read the program nosuch.json"),
        ("train.json", "train.json is not a saved program"),
    ],
)
def test_a_target_that_cannot_be_is_refused(dspex: Command, train: Path, target: str, complaint: str) -> None:
    train.with_suffix(".json").write_text('{"a": 1}')
    said = dspex("optimize", target, "--train", train, *HERE)
    assert said.status == 2
    assert said.err.startswith("error: ")
    assert complaint in said.err
    assert len(said.err.splitlines()) == 1


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--metric", "exat_match"], "There is no built-in metric 'exat_match'. Did you mean exact_match?"),
        (["--metric", "someapp:metirc"], "someapp has no 'metirc'. Did you mean metric?"),
        (["--metric", "someapp:number"], "The metric 'someapp:number' is a int"),
        (["--optimizer", "bootstap"], "There is no optimizer 'bootstap'. Did you mean 'bootstrap'?"),
        (["--set", "max_round=2"], "has no argument 'max_round'. Did you mean 'max_rounds'?"),
        (["--set", "max_rounds=two"], "the argument 'max_rounds' of 'bootstrap' is int"),
        (["--set", "max_rounds=0"], "max_rounds=0"),
        (["--set", "max_rounds"], "write --set name=value"),
        (["--set", "seed=1", "--seed", "2"], "The seed is given twice"),
        (["--set", "max_rounds=1", "--set", "max_rounds=2"], "--set max_rounds is given twice"),
        (["--train", "none.jsonl"], "There is no file none.jsonl"),
        (["--val", "none.jsonl"], "There is no file none.jsonl"),
        (["--inputs", "texd"], "no column 'texd'. Columns there: text, intent."),
        (["--module", "Predickt"], "There is no module 'Predickt'"),
        (["--out", "nofolder/program.json"], "there is no folder"),
        (["--out", "."], "it is a folder"),
        (["--out", "train.jsonl"], "exists and is no saved program, so it is left alone"),
        (["--id", "not an id"], "The id 'not an id' cannot be"),
        (["--detach"], "choose one"),
        (["--lm", "whose/model", "--api-base", ""], "the provider 'whose' is unknown"),
        (["--lm", ""], "No language model. Name one: --lm"),
        (["--api-key-env", "NO_SUCH_VARIABLE"], "Set the environment variable NO_SUCH_VARIABLE"),
        (["--store", "mysql://host/db"], "The store cannot be mysql"),
        (["--concurrency", "0"], "--concurrency"),
        (["--trian", "x"], "No such option: --trian"),
    ],
)
def test_an_option_that_cannot_be_is_refused(dspex: Command, train: Path, arguments: list[str], complaint: str) -> None:
    said = dspex("optimize", "text -> intent", "--train", train, *HERE, *arguments)
    assert complaint in said.err
    assert said.err.startswith("error: ")
    assert said.status == 2
    assert said.out == ""


def test_a_command_that_is_not_there_is_refused(dspex: Command) -> None:
    said = dspex("optimise")
    assert said.status == 2
    assert "No such command 'optimise'. Did you mean 'optimize'?" in said.err


def test_a_missing_metric_is_said(dspex: Command, train: Path) -> None:
    said = dspex("optimize", "text -> intent", "--train", train, "--local", *LM)
    assert (said.status, said.err) == (
        2,
        "error: No metric. Name one: --metric exact_match, or contains, f1, package.module:function.\n",
    )


def test_options_of_a_signature_do_not_fit_another_target(dspex: Command, train: Path) -> None:
    said = dspex("optimize", "someapp:program", "--module", "ChainOfThought", "--train", train, *HERE)
    assert (said.status, said.err) == (2, "error: --module is for a signature; 'someapp:program' has its own.\n")


def test_a_malformed_row_is_named_by_file_and_line(dspex: Command, train: Path) -> None:
    train.write_text('{"text": "a", "intent": "b"}\n{"text": \n')
    said = dspex("optimize", "text -> intent", "--train", train, *HERE)
    assert said.status == 2
    assert said.err.startswith(f"error: {train}, line 2: not JSON")


def test_a_server_that_is_not_there_is_a_failure_not_a_mistake(dspex: Command, train: Path) -> None:
    options = ["--metric", "exact_match", *LM, "--temporal", "127.0.0.1:9"]
    said = dspex("optimize", "text -> intent", "--train", train, *options)
    assert said.status == 1
    assert said.err.startswith("error: No Temporal server answers at 127.0.0.1:9. Start one here with `dspex dev`")


def test_a_store_that_does_not_open_is_a_failure(dspex: Command, train: Path, tmp_path: Path) -> None:
    store = tmp_path / "nofolder" / "store.db"
    said = dspex("optimize", "text -> intent", "--train", train, *HERE, "--store", store)
    assert said.status == 1
    assert "cannot be opened: there is no directory" in said.err


def test_bad_input_leaves_no_run_behind(dspex: Command, train: Path) -> None:
    dspex("optimize", "text -> intent", "--train", "none.jsonl", *HERE, "--id", "never")
    said = dspex("runs", "list", "--json", "--temporal", "127.0.0.1:9")
    assert json.loads(said.out) == {"runs": []}
    assert "local runs only: No Temporal server answers" in said.err


def test_help_says_what_there_is(dspex: Command) -> None:
    said = dspex("--help")
    assert said.status == 0
    for command in ("dev", "worker", "optimize", "evaluate", "runs", "practice-lm", "doctor"):
        assert f"\n  {command} " in said.out
    assert "\n  predict " not in said.out


def test_the_version_is_told(dspex: Command) -> None:
    from dspex import __version__

    assert dspex("--version").out == f"{__version__}\n"


def test_doctor_names_what_is_missing_and_what_to_do(dspex: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-a-secret")
    said = dspex("doctor", "--json", "--temporal", "127.0.0.1:9")
    checks = {check["name"]: check for check in json.loads(said.out)["checks"]}
    assert said.status == 1
    assert checks["python"]["verdict"] == "ok"
    assert checks["store"]["verdict"] == "ok"
    assert checks["temporal server"]["verdict"] == "fail"
    assert "dspex dev" in checks["temporal server"]["advice"]
    assert checks["LM keys"]["found"] == "set: OPENAI_API_KEY"
    assert "sk-a-secret" not in said.out
