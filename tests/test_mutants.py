"""Proof that the comparative tests can fail: each small mistake below is caught by one of them.

A mutant is the project with one line changed. ``pytest tests/test_mutants.py -k <id>`` tries one.
"""

import multiprocessing
import shutil
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.support import mutant_runner

TIMEOUT = 100.0
ROOT = Path(__file__).parent.parent
CONTRACT = "consumers/contract.py"
CONTRACT_HTTP = "consumers/contract_http.py"
RAW, ARAW, JSON, AJSON, HTTP = (
    f"consumers/echo/{name}.py"
    for name in (
        "websocket",
        "async_websocket",
        "json_websocket",
        "async_json_websocket",
        "async_http",
    )
)


class Mutant(NamedTuple):
    """One change, and the test that has to notice it."""

    id: str
    file: str
    old: str
    new: str
    caught_by: str = "tests/consumers/test_in_process.py"


MUTANTS = [
    Mutant(
        "falsy-message-lost",
        CONTRACT,
        'if "message" not in value:',
        'if not value.get("message"):',
    ),
    Mutant(
        "nan-accepted",
        CONTRACT,
        "return _decoder.decode(document)",
        "return json.loads(document)",
    ),
    Mutant(
        "big-integer-through-a-float",
        CONTRACT,
        'return {"message": request.message}',
        'return {"message": float(m) if type(m := request.message) is int and m > 2**53 else m}',
    ),
    Mutant(
        "huge-integer-refused",
        CONTRACT,
        "except msgspec.ValidationError:",
        "except ZeroDivisionError:",
    ),
    Mutant(
        "huge-integer-lets-a-surrogate-pass",
        CONTRACT,
        "            _encoder.encode(value)  #",
        "            pass  #",
    ),
    Mutant("delay-of-true-accepted", CONTRACT, "type(delay) not in (int, float)", "False"),
    Mutant("depth-not-checked", CONTRACT, "if _is_deeper_than(", "if False and _is_deeper_than("),
    Mutant("depth-off-by-one", CONTRACT, "if depth > limit:", "if depth >= limit:"),
    Mutant(
        "brackets-in-strings-count",
        CONTRACT,
        "_STRING_OR_BRACKET.findall(document)",
        "re.findall(rb'[][{}]', document)",
    ),
    Mutant("size-off-by-one", CONTRACT, "if len(document) > limits", "if len(document) >= limits"),
    Mutant("size-in-characters", CONTRACT, "if len(document) > limits", "if len(data) > limits"),
    Mutant(
        "delay-ignored",
        CONTRACT,
        'value["message"], delay',
        'value["message"], 0 * delay',
        "tests/consumers/test_echo.py::test_waits_as_long_as_it_is_asked_to",
    ),
    Mutant(
        "escaped-reply",
        CONTRACT,
        "return _encoder.encode(reply).decode()",
        "return json.dumps(reply)",
    ),
    Mutant(
        "empty-message-crashes-one-type",
        JSON,
        "    def receive(self, text_data",
        "    def receive_anything(self, text_data",
    ),
    Mutant(
        "text-and-binary-mixed-up",
        ARAW,
        "await self.send(encode(answer(request)))",
        "await self.send(bytes_data=encode(answer(request)).encode())",
    ),
    Mutant(
        "binary-ignored-by-one-type",
        RAW,
        "decode(text_data or bytes_data or b",
        "decode(text_data or b",
    ),
    Mutant(
        "replies-swapped-when-pipelined",
        ARAW,
        "        await self.send(encode(answer(request)))",
        "        import asyncio\n"
        "        reply = self.send(encode(answer(request)))\n"
        "        asyncio.get_running_loop().call_later(\n"
        "            0.0 if hasattr(request, 'code') else 0.02, asyncio.ensure_future, reply\n"
        "        )",
    ),
    Mutant(
        "delay-blocks-the-loop",
        AJSON,
        "from asyncio import sleep",
        "import time\n\nasync def sleep(seconds: float) -> None:\n    time.sleep(seconds)\n",
        "tests/routing/test_routing.py::test_a_waiting_exhibit_delays_no_other[echo/async-json-websocket]",
    ),
    Mutant(
        "error-closes",
        ARAW,
        "        await self.send(encode(answer(request)))",
        "        await self.send(encode(answer(request)))\n"
        "        if hasattr(request, 'code'):\n            await self.close()",
    ),
    Mutant(
        "detail-differs-in-one-type",
        AJSON,
        "        return encode(content)",
        '        return encode(content).replace("Not JSON", "No JSON")',
    ),
    Mutant(
        "allow-missing",
        CONTRACT_HTTP,
        'headers.append((b"Allow", ", ".join(METHODS).encode()))',
        "pass",
        "tests/consumers/test_contract.py",
    ),
    Mutant(
        "body-in-the-answer-to-head",
        CONTRACT_HTTP,
        'b"" if method == "HEAD" else body',
        "body",
        "tests/consumers/test_contract.py",
    ),
    Mutant(
        "replies-may-be-sniffed",
        CONTRACT_HTTP,
        '(b"X-Content-Type-Options", b"nosniff"),',
        "",
        "tests/consumers/test_contract.py",
    ),
    Mutant(
        "413-missing",
        CONTRACT_HTTP,
        '"too_large": 413',
        '"too_large": 400',
        "tests/consumers/test_echo.py::test_http_says_errors_in_its_status",
    ),
    Mutant(
        "too-large-body-read-to-its-end",
        HTTP,
        "if self.bytes_read > settings",
        "if False and self.bytes_read > settings",
        "tests/consumers/test_echo.py::test_http_answers_before_it_has_read_a_body_that_is_too_large",
    ),
    Mutant(
        "disconnect-forgotten",
        AJSON,
        "    async def disconnect(",
        "    async def disconnected(",
        "tests/consumers/test_echo.py::test_logs_its_events",
    ),
    Mutant(
        "no-isolation",
        "routing/urls.py",
        "if exhibit.edition.isolated else shared(application)",
        "if not exhibit.edition.isolated else shared(application)",
        "tests/routing/test_routing.py::test_a_waiting_exhibit_delays_no_other[echo/websocket]",
    ),
    Mutant(
        "origin-not-checked",
        "routing/origin.py",
        "if all(map(_is_allowed, origins)):",
        "if True:",
        "tests/routing/test_routing.py::test_origin_is_checked",
    ),
]


forkserver = multiprocessing.get_context("forkserver")
forkserver.set_forkserver_preload(["tests.support.mutant_runner"])


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.id)
def test_is_caught(mutant: Mutant, tmp_path: Path) -> None:
    """The test named next to the mutant fails on it."""
    tree = tmp_path / "mutant"
    shutil.copytree(ROOT, tree, ignore=shutil.ignore_patterns(".*", "*.egg-info", "__pycache__"))
    source = (tree / mutant.file).read_text()
    assert source.count(mutant.old) == 1, "the line to change is not there, or not alone"
    (tree / mutant.file).write_text(source.replace(mutant.old, mutant.new))

    output = tmp_path / "output"
    run = forkserver.Process(
        target=mutant_runner.run, args=(str(tree), mutant.caught_by, str(output))
    )
    run.start()
    run.join(TIMEOUT)
    run.kill()
    run.join()

    assert run.exitcode == 1, f"survived:\n{output.read_text()}"
    assert "1 failed" in output.read_text(), f"not a failure:\n{output.read_text()}"
