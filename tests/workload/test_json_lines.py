"""JSON Lines: what neighbouring tools write as their data sets is read as prompts, and never sent as JSON."""

import json
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outpace.ground.errors import PromptsError
from outpace.workload.prompts import load

texts = st.lists(st.text(min_size=1).filter(str.strip), min_size=1, max_size=6)
FORMS = (
    lambda text: text,
    lambda text: {"prompt": text},
    lambda text: {"text": text, "max_tokens": 7},
    lambda text: {"id": 3, "text_input": text, "text": None},
    lambda text: {"messages": [{"role": "user", "content": text}]},
    lambda text: {"messages": [{"role": "user", "content": [{"type": "text", "text": text}]}]},
)


def read(content: str, name: str) -> list[str]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, name)
        path.write_bytes(content.encode())
        return load(path)


def refusal(content: str, name: str = "p.jsonl") -> str:
    with pytest.raises(PromptsError) as caught:
        read(content, name)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@given(texts, st.data(), st.booleans(), st.sampled_from(["\n", "\r\n", "\n\n \n"]))
def test_each_form_of_a_line_gives_its_text(found, data, ascii_only, end):
    lines = [json.dumps(data.draw(st.sampled_from(FORMS))(text), ensure_ascii=ascii_only) for text in found]
    for name in ("p.jsonl", "p.ndjson", "P.JSONL"):
        assert read(end.join(lines) + end, name) == found


@given(st.dictionaries(st.text(), st.none() | st.integers() | st.text(), min_size=1), st.integers(0, 3))
def test_no_object_is_ever_sent_as_json(extra, before):
    line = json.dumps(extra)
    for name in ("p.jsonl", "p.txt"):
        try:
            sent = read("\n".join(['{"prompt": "why"}'] * before + [line]), name)
        except PromptsError:
            continue
        assert line not in sent
        assert sent[:before] == ["why"] * before


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("7", "line 2 is '7', which is no prompt"),
        ("why?", "line 2 is 'why?', which is no prompt"),
        ('["one"]', "which is no prompt"),
        ('{"prompt": 7}', "which is no prompt"),
        ('{"prompt": ["one", "two"]}', "which is no prompt"),
        ("{}", "has nothing, and none of prompt, text, text_input, messages"),
        ('{"question": "why", "answer": "so"}', "has 'question', 'answer', and none of prompt"),
        ('{"prompt": "why", "text": "so"}', "has prompt and text: it is not clear which is the prompt"),
        ('{"messages": []}', "messages other than one of a user"),
        ('{"messages": "why"}', "messages other than one of a user"),
        ('{"messages": [{"role": "system", "content": "why"}]}', "messages other than one of a user"),
        ('{"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}', "other than one"),
        ('{"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": "x"}]}]}', "is no prompt"),
        ('{"prompt": "half of a pair: \\ud83d"}', "half of a surrogate pair"),
        ("[" * 100_000, "which is no prompt"),
    ],
)
def test_a_line_that_holds_no_prompt_is_refused_by_its_number(line, said):
    message = refusal('{"prompt": "why"}\n' + line)
    assert said in message
    assert "line 2" in message
    assert "p.jsonl" in message


def test_a_refusal_says_what_to_write():
    assert '{"prompt": "a string"}' in refusal('{"question": "why"}')


@pytest.mark.parametrize("content", ["", "\n \n", '""\n'])
def test_a_file_without_a_line_holds_no_prompt(content):
    assert "holds no prompt" in refusal(content)


@pytest.mark.parametrize("name", ["p.txt", "prompts"])
def test_a_text_file_of_json_objects_is_asked_about_before_it_is_sent(name):
    message = refusal('{"prompt": "why"}\n\n{"prompt": "how"}\n', name)
    assert f"Name it {Path(name).stem}.jsonl" in message
    assert ".json list" in message


@pytest.mark.parametrize("content", ['{"a": 1}\nand a sentence\n', "{a prompt}\n", '{"a": 1} means?\n'])
def test_text_that_merely_holds_braces_is_sent_as_it_is(content):
    assert read(content, "p.txt") == content.splitlines()
