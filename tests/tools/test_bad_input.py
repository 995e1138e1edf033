"""Wrong command lines and files, a line each: every one gets one sentence that says what and where, and 2."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner

from rnn_spec.cli import main
from rnn_spec.far import wire
from rnn_spec.gate.recording import Fact, Header, Recording
from rnn_spec.judge.verdict import Verdict
from rnn_spec.suite.results import Results

HELLO = '{"name": "x", "version": "", "language": "C", "levels": ["cell"], "dtypes": ["float64"]}\n'
TEXTS = {
    "empty": "",
    "text.txt": "these are words\n",
    "no.json": "{",
    "list.json": "[1, 2]",
    "deep.json": "[" * 20_000,
    "short.json": '{"subject": 3}',
    "words.npy": "1 2 3",
    "notrun.py": "print('hello')",
    "bad_raises.py": "1 / 0",
    "bad_syntax.py": "def (",
    "bad_exits.py": "raise SystemExit(0)",
    "bad_import.py": "import a_module_that_nobody_has",
    "bad_kinds.py": "number, text, made = 3, 'x', lambda: 3\nclass Wants:\n    def __init__(self, a): ...\n"
    "def exits():\n    raise SystemExit(3)\ndef raises():\n    raise ValueError('no layer')\n",
    "accepted.toml": '[[accepted]]\nid = "x"\nverdict = "behaviour"\nreason = "because"\n',
    "noreason.toml": '[[accepted]]\nid = "x"\nverdict = "behaviour"\nreason = " "\n',
    "noverdict.toml": '[[accepted]]\nid = "x"\nverdict = "opinion"\nreason = "because"\n',
    "nofield.toml": '[[accepted]]\nid = "x"\n',
    "noversion.toml": '[[accepted]]\nid = "x"\nverdict = "behaviour"\nreason = "y"\nto = "soon"\n',
    "broken.toml": "[[accepted",
    "known.toml": '[[known]]\nid = "x"\n',
    "hello.jsonl": HELLO,
    "nolevel.jsonl": HELLO.replace("cell", "cel"),
    "nodtype.jsonl": HELLO.replace("float64", "float80"),
    "noname.jsonl": HELLO.replace('"x"', '""'),
    "nan.jsonl": HELLO + '{"seq": 1, "output": NaN}\n',
    "noseq.jsonl": HELLO + '{"output": {"shape": [1], "data": [1]}}\n',
    "strange.jsonl": HELLO + '{"seq": 99}\n',
    "twice.jsonl": HELLO + '{"seq": 1, "unsupported": "no"}\n' * 2,
    "caserubbish.jsonl": '{"op": "run", "seq": 1, "case": {"id": "x"}}\n',
    "torch2.1.toml": "torch==2.1",
}
"""Files by name."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with wrong files, and some right ones."""
    from rnn_spec.questions.product import Recipe

    made = tmp_path_factory.mktemp("bad")
    for name, text in TEXTS.items():
        (made / name).write_text(text, encoding="utf-8")
    (made / "bytes").write_bytes(b"\xff\xfe\x00\x80" * 20)
    (made / "dir").mkdir()
    vectors = made / "vectors"
    vectors.mkdir()
    (vectors / "cell.json").write_text("{}", encoding="utf-8")
    for value in (1, 2):
        recording = Recording(Header("torch", f"torch 2.{value}.0"), {"forward/x": Fact(value)})
        recording.write(made / f"r{value}.json")
    part = Results("mine", "mine 1", verdicts=[Verdict("a", "REC-01", "passed")], levels=["cell"])
    part.write(made / "part.json")
    broken = json.loads((made / "part.json").read_text(encoding="utf-8"))
    broken["verdicts"][0].pop("outcome")
    (made / "broken.json").write_text(json.dumps(broken), encoding="utf-8")
    case = Recipe.parse("small-L1-tanh-float64").case()
    (made / "cases.jsonl").write_bytes(wire.encode(wire.RunRequest(1, case)) + b"\n")
    return made


ROWS = """
nonsense                                                | No such command
--nonsense                                              | No such option
-x                                                      | No such option
check --nonsense                                        | No such option
check a b                                               | unexpected extra argument
check nobody                                            | no subject is called 'nobody'
check ''                                                | no subject is called ''
check ' '                                               | no subject is called ' '
check nobody:at_all                                     | module 'nobody' cannot be imported
check .:x                                               | cannot be imported
check ..:x                                              | cannot be imported
check :x                                                | cannot be imported
check json:                                             | ends where its other half should follow
check keras:                                            | ends where its other half should follow
check json:nothing                                      | has no 'nothing'
check json:loads                                        | cannot be made
check json:decoder.JSONDecoder                          | not an rnn_spec.Subject
check bad_raises:X                                      | ZeroDivisionError
check bad_syntax:X                                      | SyntaxError
check bad_exits:X                                       | SystemExit
check bad_exits:X -n 2                                  | SystemExit
check bad_exits:X --no-smoke                            | SystemExit
check bad_import:X                                      | a_module_that_nobody_has
check bad_kinds:number                                  | neither a Subject nor makes one
check bad_kinds:text                                    | neither a Subject nor makes one
check bad_kinds:made                                    | is a int, not an rnn_spec.Subject
check bad_kinds:Wants                                   | cannot be made (TypeError
check bad_kinds:exits                                   | cannot be made (SystemExit
check bad_kinds:raises                                  | cannot be made (ValueError: no layer)
check bad_kinds:made.x                                  | has no 'made.x'
check spec:foo                                          | 'spec:foo' cannot be made
check torch:nodevice                                    | torch's routes are
check torch:                                            | ends where its other half should follow
check torch:cuda:99                                     | cannot be made
check torch@                                            | ends where its other half should follow
check torch@/no/python                                  | is not a program that can be run
check torch@notrun.py                                   | is not a program that can be run
check fault:                                            | no fault is called ''
check fault:nope                                        | no fault is called 'nope'
check fault:w_hh-transpose                              | did you mean w_hh-transposed
check worker:                                           | needs a command
check 'worker:no-such-program'                          | is not a program that can be run
check "worker:'unclosed"                                | is not a command
check worker:true                                       | does not say hello
check worker:false                                      | exited with status 1
check 'worker:echo hello'                               | hello
check "worker:echo '{}'"                                | hello
check 'worker:rnn-spec-that-is-not-there serve x'       | is not a program that can be run
check answers:                                          | does not name two files
check answers:a                                         | does not name two files
check answers:@                                         | does not name two files
check answers:a@                                        | does not name two files
check answers:@b                                        | does not name two files
check answers:a@b                                       | cannot be read
check answers:dir@cases.jsonl                           | cannot be read
check answers:hello.jsonl@dir                           | cannot be read
check libtorch:x                                        | cannot be made
check --clause XYZ spec                                 | no clause or area is called 'XYZ'
check --clause REC-99 spec                              | no clause or area is called 'REC-99'
check --clause '' spec                                  | no clause or area is called ''
check --clause REC,HID spec                             | no clause or area is called 'REC,HID'
check --clause                                          | requires an argument
check spec -n many                                      | -n takes a number
check spec -n -1                                        | -n takes a number
check spec -n 1.5                                       | -n takes a number
check spec -n ''                                        | -n takes a number
check spec -n ²                                         | -n takes a number
check spec -n 99999                                     | -n takes a number
check spec -n                                           | requires an argument
check spec --deadline 0                                 | seconds are a number above 0
check spec --deadline -1                                | seconds are a number above 0
check spec --deadline nan                               | seconds are a number above 0
check spec --deadline inf                               | seconds are a number above 0
check spec --deadline 1e300                             | seconds are a number above 0
check spec --deadline soon                              | not a valid float
check spec --deadline ''                                | not a valid float
check spec --results text.txt                           | is a file
check spec --results text.txt/sub                       | cannot be written
check spec --results /proc/nope                         | cannot be written
check spec --results ''                                 | --results names no folder
check spec --known nope.toml                            | nope.toml
check spec --known dir                                  | dir
check spec --known broken.toml                          | broken.toml
check spec --known known.toml                           | known.toml
check spec --known bytes                                | bytes
check spec --exhaustive=1                               | does not take a value
check spec --no-smoke=yes                               | does not take a value
case                                                    | Missing argument
case ''                                                 | does not name a case
case small                                              | does not name a case
case tiny-L1-tanh-float32                               | sizes are
case small-L1-sin-float32                               | 'sin' is not a flag
case small-L0-tanh-float32                              | small-L0-tanh-float32
case small-Lx-tanh-float32                              | small-Lx-tanh-float32
case small-L1-tanh-float80                              | float80
case small-L1-tanh-float32-float64                      | small-L1-tanh-float32-float64
case small-L1-tanh-p9-float32                           | p9
case small-L1-tanh-float64 --subject nobody             | no subject is called 'nobody'
case small-L1-tanh-float64 --subject bad_exits:X        | SystemExit
case small-L1-tanh-float64 --subject bad_kinds:exits    | SystemExit
case small-L1-tanh-float64 --subject fault:nope         | no fault is called
case small-L1-tanh-float64 --subject worker:false       | does not say hello
case small-L1-tanh-float64 --full=1                     | does not take a value
known nobody                                            | nothing is known of 'nobody'
known ''                                                | nothing is known of ''
known torch --id nope                                   | nothing is known of 'torch' by the id 'nope'
known torch --id                                        | requires an argument
explain                                                 | Missing argument
explain ''                                              | no clause is called ''
explain XYZ                                             | no clause is called 'XYZ'
explain REC-00                                          | no clause is called 'REC-00'
explain REC-01 REC-02                                   | unexpected extra argument
checklist x                                             | unexpected extra argument
checklist --for                                         | requires an argument
checklist --for nope.json                               | cannot be read
checklist --for dir                                     | is a directory
checklist --for text.txt                                | is not what `rnn-spec check` writes
checklist --for empty                                   | is not what `rnn-spec check` writes
checklist --for no.json                                 | is not what `rnn-spec check` writes
checklist --for list.json                               | is not what `rnn-spec check` writes
checklist --for deep.json                               | is not what `rnn-spec check` writes
checklist --for bytes                                   | is not what `rnn-spec check` writes
checklist --for short.json                              | is not what `rnn-spec check` writes
checklist --for broken.json                             | outcome
conformance nonsense                                    | No such command
conformance add                                         | Missing argument
conformance add nope.json                               | cannot be made a fixture
conformance add dir                                     | is a directory
conformance add text.txt                                | cannot be made a fixture
conformance add empty                                   | cannot be made a fixture
conformance add list.json                               | cannot be made a fixture
conformance add deep.json                               | cannot be made a fixture
conformance add bytes                                   | cannot be made a fixture
conformance add broken.json                             | cannot be made a fixture
conformance add part.json                               | cannot be made a fixture
conformance add part.json --fixtures text.txt           | is a file
regenerate nothing                                      | is not one of
gate                                                    | Missing option
gate --from r1.json                                     | Missing option
gate --from r1.json --to                                | requires an argument
gate --from nope --to r2.json                           | is not a torch version
gate --from '' --to r2.json                             | --from names no release
gate --from dir --to r2.json                            | is not a torch version
gate --from r1.json --to text.txt                       | has no requirement of torch
gate --from r1.json --to empty                          | is not a recording
gate --from r1.json --to no.json                        | is not a recording
gate --from r1.json --to list.json                      | is not a recording
gate --from r1.json --to deep.json                      | is not a recording
gate --from r1.json --to bytes                          | is not a recording
gate --from r1.json --to part.json                      | is not a recording
gate --from 9.9.9 --to 2.3.1 --recorded                 | 9.9.9
gate --from torch==99.0 --to torch==2.3.1 --recorded    | 99.0
gate --from torch>>2 --to r2.json                       | is not a torch version
gate --from 2 --to r2.json                              | is not a torch version
gate --from r1.json --to r2.json --fail-on ''           | names no verdict
gate --from r1.json --to r2.json --fail-on ' , '        | names no verdict
gate --from r1.json --to r2.json --fail-on all          | no verdict is called 'all'
gate --from r1.json --to r2.json --fail-on Behaviour    | no verdict is called 'Behaviour'
gate --from r1.json --to r2.json --accepted nope.toml   | cannot be read
gate --from r1.json --to r2.json --accepted dir         | is a directory
gate --from r1.json --to r2.json --accepted broken.toml | does not say which changes are accepted
gate --from r1.json --to r2.json --accepted bytes       | does not say which changes are accepted
gate --from r1.json --to r2.json --accepted noreason.toml | has no reason
gate --from r1.json --to r2.json --accepted noverdict.toml | is no verdict
gate --from r1.json --to r2.json --accepted nofield.toml | does not say which changes are accepted
gate --from r1.json --to r2.json --accepted noversion.toml | does not say which changes are accepted
gate --from r1.json --to r2.json --inputs words.npy     | --inputs is about a --model
gate --from r1.json --to r2.json --prefix encoder       | --prefix is about a --model
gate --from r1.json --to r2.json --nonlinearity tanh    | --nonlinearity is about a --model
gate --from r1.json --to r2.json --nonlinearity sin     | 'sin' is not one of
gate --from r1.json --to r2.json --cuda                 | --cuda is about a --model
gate --from r1.json --to r2.json --batch-first          | --batch-first is about a --model
gate --from r1.json --to r2.json --model model.pt       | model.pt is not a file
gate --from r1.json --to r2.json --markdown dir         | is a directory
gate --from r1.json --to r2.json --json /proc/nope      | cannot be written
gate --from r1.json --to r2.json --json text.txt/x      | cannot be written
gate --from r1.json --to r2.json --markdown /proc/x/y   | cannot be written
gate r1.json r2.json                                    | No such command 'r1.json'
history nope                                            | no clause, question or experiment is called 'nope'
history ''                                              | no clause, question or experiment is called ''
history a b                                             | unexpected extra argument
history --add nope.json                                 | does not exist
history --add dir                                       | is a directory
history --add text.txt                                  | is not a recording
history --add bytes                                     | is not a recording
history --add part.json                                 | is not a recording
record                                                  | Missing option
record torch                                            | Missing option
record keras -o r.json                                  | only torch is recorded
record torch@/no/python -o r.json                       | is not a program that can be run
record torch@ -o dir                                    | is a directory
record torch -o /proc/nope                              | cannot be written
record torch -o text.txt/r.json                         | cannot be written
record torch@true -o r.json                             | has no torch that answers 'hello'
new-subject                                             | Missing argument
new-subject ''                                          | is not a name
new-subject 'my layer'                                  | is not a name
new-subject a/b                                         | is not a name
new-subject ../up                                       | is not a name
new-subject 1st                                         | is not a name
new-subject numpy                                       | another package's
new-subject torch                                       | another package's
new-subject json                                        | another package's
new-subject class                                       | is Python's
new-subject dir                                         | is already there
new-subject mine --language cobol                       | 'cobol' is not one of
serve                                                   | Missing argument
serve nobody                                            | no subject is called 'nobody'
serve bad_exits:X                                       | SystemExit
serve bad_kinds:exits                                   | SystemExit
serve spec spec                                         | unexpected extra argument
schema x                                                | 'x' is not one of
cases                                                   | Missing argument
cases dir                                               | is a directory
cases /proc/nope                                        | cannot be written
cases text.txt/x                                        | cannot be written
cases c.jsonl --clause XYZ                              | no clause or area is called 'XYZ'
judge                                                   | Missing argument
judge hello.jsonl                                       | Missing option
judge nope.jsonl --cases cases.jsonl                    | does not exist
judge hello.jsonl --cases nope.jsonl                    | does not exist
judge dir --cases cases.jsonl                           | is a directory
judge hello.jsonl --cases dir                           | is a directory
judge empty --cases cases.jsonl                         | is empty
judge text.txt --cases cases.jsonl                      | text.txt, line 1: not JSON
judge bytes --cases cases.jsonl                         | bytes, line 1: not JSON
judge nolevel.jsonl --cases cases.jsonl                 | nolevel.jsonl, line 1
judge nodtype.jsonl --cases cases.jsonl                 | nodtype.jsonl, line 1
judge noname.jsonl --cases cases.jsonl                  | noname.jsonl, line 1
judge nan.jsonl --cases cases.jsonl                     | nan.jsonl, line 2: not JSON
judge noseq.jsonl --cases cases.jsonl                   | noseq.jsonl, line 2
judge strange.jsonl --cases cases.jsonl                 | strange.jsonl, line 2: cases.jsonl has no case
judge twice.jsonl --cases cases.jsonl                   | twice.jsonl, line 3: answers seq 1 once more
judge hello.jsonl --cases text.txt                      | text.txt, line 1: not JSON
judge hello.jsonl --cases caserubbish.jsonl             | caserubbish.jsonl, line 1
judge hello.jsonl --cases cases.jsonl --results text.txt | is a file
vectors nonsense                                        | No such command
vectors check nope                                      | nope
vectors check text.txt                                  | is a file
vectors check dir                                       | dir
vectors check vectors                                   | cell.json
vectors verify nobody                                   | no subject is called 'nobody'
vectors verify bad_exits:X                              | SystemExit
vectors verify spec --dir nope                          | nope
vectors verify spec --dir dir                           | dir
vectors verify spec --dir vectors                       | cell.json
vectors verify spec --dir text.txt                      | is a file
vectors write text.txt                                  | is a file
vectors write /proc/nope                                | cannot be written
faults nope                                             | no fault is called 'nope'
faults ''                                               | no fault is called ''
faults -n 0                                             | x>=1
faults -n -3                                            | x>=1
faults -n two                                           | not a valid integer
faults --named=1                                        | does not take a value
owed x                                                  | unexpected extra argument
"""
TABLE = [tuple(map(str.strip, row.rsplit("|", 1))) for row in ROWS.strip().splitlines()]


@pytest.mark.parametrize(("line", "sentence"), TABLE, ids=[line for line, _ in TABLE])
def test_bad_input_gets_one_sentence_and_2(
    folder: Path, monkeypatch: pytest.MonkeyPatch, line: str, sentence: str
) -> None:
    """The sentence names what is wrong, and is the last thing said; there is no traceback."""
    monkeypatch.chdir(folder)
    monkeypatch.setenv("RNN_SPEC_DEADLINE", "20")

    done = CliRunner().invoke(main, shlex.split(line))

    said = " ".join(done.output.split())
    assert done.exit_code == 2, said
    assert sentence in said
    assert "could not be done" not in said
    assert "Traceback" not in said
    assert len([part for part in done.output.splitlines() if part.startswith("Error")]) <= 1


def test_a_deadline_in_the_environment_is_read_as_the_option_is() -> None:
    """RNN_SPEC_DEADLINE that is no number of seconds is refused before a check."""
    done = CliRunner().invoke(main, ["check", "spec"], env={"RNN_SPEC_DEADLINE": "soon"})

    assert done.exit_code == 2
    assert "soon" in done.output


def test_clauses_are_read_in_any_case(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """`--clause rec-01` is REC-01, as `explain rec-01` is; and explain takes an area."""
    monkeypatch.chdir(tmp_path)

    assert CliRunner().invoke(main, ["check", "spec", "--clause", "bia-01"]).exit_code == 0
    assert "BIA-02" in CliRunner().invoke(main, ["explain", "bia"]).output


def test_a_folder_may_have_an_at_sign(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Files of answers are found in a folder such as Jenkins makes."""
    monkeypatch.chdir(folder)
    for name in ("hello.jsonl", "cases.jsonl"):
        target = folder / "ws@2" / name
        target.parent.mkdir(exist_ok=True)
        target.write_bytes((folder / name).read_bytes())

    done = CliRunner().invoke(main, ["judge", "ws@2/hello.jsonl", "--cases", "ws@2/cases.jsonl"])

    assert "x (C): nothing was judged" in " ".join(done.output.split())  # it was read
