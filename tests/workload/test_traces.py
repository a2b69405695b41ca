"""Published traces: their forms, and what is said of a file in none of them."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outpace.ground.errors import ArrivalsError
from outpace.workload.traces import TracedRequest, read

MOONCAKE = """\
{"timestamp": 0, "input_length": 6755, "output_length": 500, "hash_ids": [0, 1, 2]}
{"timestamp": 0, "input_length": 7319, "output_length": 490, "hash_ids": [0, 14]}

{"timestamp": 3052, "input_length": 7234, "output_length": 794, "hash_ids": [0, 28]}
"""
AZURE_2023 = """\
TIMESTAMP,ContextTokens,GeneratedTokens
2023-11-16 18:17:03.9799600,4808,10
2023-11-16 18:17:04.0319600,3180,8
"""
AZURE_2024 = """\
TIMESTAMP,ContextTokens,GeneratedTokens
2024-05-10 00:00:00.009930+00:00,2162,5
2024-05-10 00:00:00.017335+00:00,2399,6
2024-05-10 00:01:00.017335+00:00,10,60
"""
BURST_GPT = """\
Timestamp,Model,Request tokens,Response tokens,Total tokens,Log Type
5,ChatGPT,472,18,490,Conversation log
45,ChatGPT,1087,230,1317,Conversation log
46,ChatGPT,0,0,0,Conversation log
47,GPT-4,417,0,417,API log
118.5,GPT-4,417,276,693,API log
"""
BURST_GPT_3 = """\
Timestamp,Session ID,Elapsed time,Model,Request tokens,Response tokens,Total tokens,Log Type
0.0,a1,3.2,GPT-4,7,9,16,Conversation log
0.5,,1.5,GPT-4,8,10,18,API log
"""


def requests(tmp_path: Path, content: str | bytes) -> list[TracedRequest]:
    path = tmp_path / "trace"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return list(read(path))


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (MOONCAKE, [(0, 6755, 500), (0, 7319, 490), (3052, 7234, 794)]),
        (AZURE_2023, [(0, 4808, 10), (52, 3180, 8)]),
        (AZURE_2024, [(0, 2162, 5), (7.405, 2399, 6), (60_007.405, 10, 60)]),
        (BURST_GPT, [(0, 472, 18), (40_000, 1087, 230), (113_500, 417, 276)]),
        (BURST_GPT_3, [(0, 7, 9), (500, 8, 10)]),
    ],
)
@pytest.mark.parametrize("form", ["as it is", "of Windows", "with a mark"])
def test_published_traces_are_read(
    tmp_path: Path, content: str, found: list[tuple[float, int, int]], form: str
) -> None:
    written = content.replace("\n", "\r\n") if form == "of Windows" else content
    written = "\ufeff" + written if form == "with a mark" else written
    read_back = requests(tmp_path, written)
    assert [(each.prompt_tokens, each.output_tokens) for each in read_back] == [each[1:] for each in found]
    assert [each.due_ms for each in read_back] == pytest.approx([each[0] for each in found], abs=1e-3)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "no form that outpace knows"),
        ("time,in,out\n1,2,3\n", "begins with 'time,in,out'"),
        ('["timestamp"]\n', "no form"),
        ('{"timestamp": 1, "input_length": 5}\n', "line 1 has no 'output_length'"),
        (MOONCAKE + "{oops\n", "line 5 is '{oops', no JSON object"),
        ('{"timestamp": 1, "input_length": -5, "output_length": 2}\n', "line 1 says 'timestamp=1, input_length=-5"),
        ('{"timestamp": 1, "input_length": 5.5, "output_length": 2}\n', "a time and two numbers"),
        ('{"timestamp": null, "input_length": 5, "output_length": 2}\n', "a time and two numbers"),
        ('{"timestamp": "NaN", "input_length": 5, "output_length": 2}\n', "earlier than the line before"),
        ('{"timestamp": 1, "input_length": 1e400, "output_length": 2}\n', "a time and two numbers"),
        (AZURE_2023 + "yesterday,4,5\n", "line 4 says 'TIMESTAMP=yesterday"),
        (AZURE_2023 + "2023-11-16 18:17:05\n", "line 4 says"),
        (BURST_GPT.replace("118.5", "44"), "line 6 is earlier than the line before it"),
        (b"Timestamp,Model\xff", "no text that can be read"),
    ],
)
def test_what_is_no_trace_is_refused_with_its_line(tmp_path: Path, content: str | bytes, said: str) -> None:
    with pytest.raises(ArrivalsError) as caught:
        requests(tmp_path, content)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_trace_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ArrivalsError, match=r"nowhere\.csv cannot be read: No such file"):
        next(read(tmp_path / "nowhere.csv"))


def test_a_long_trace_is_read_no_further_than_it_is_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "long.jsonl"
    path.write_text(MOONCAKE + "{oops\n")
    found = read(path)
    assert [next(found).due_ms for _ in range(3)] == [0, 0, 3052]


@given(st.binary(max_size=60) | st.text(max_size=60).map(lambda text: (BURST_GPT + text).encode("utf-8", "replace")))
def test_any_other_file_is_read_or_refused_and_never_anything_worse(tmp_path_factory, content: bytes) -> None:
    try:
        found = requests(tmp_path_factory.mktemp("t"), content)
    except ArrivalsError:
        return
    assert all(each.prompt_tokens > 0 and each.output_tokens > 0 and each.due_ms >= 0 for each in found)
