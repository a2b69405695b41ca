"""Prompts: what a prompts file may be, and what is said of one that is not."""

import json
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outpace.ground.errors import PromptsError
from outpace.workload.prompts import DEFAULT_PROMPTS, Generation, load, workload

texts = st.lists(st.text(min_size=1).filter(str.strip), min_size=1, max_size=6)


@pytest.fixture
def file(tmp_path):
    def make(content, name="prompts.txt"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return make


def refusal(path):
    with pytest.raises(PromptsError) as caught:
        load(path)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_the_default_workload_is_eight_different_prompts_at_temperature_0():
    made = workload()
    assert len(made.prompts) == len({prompt.text for prompt in made.prompts}) == 8
    assert tuple(prompt.text for prompt in made.prompts) == DEFAULT_PROMPTS
    assert made.generation == Generation()
    assert made.generation.temperature == 0


@given(texts)
def test_prompts_keep_their_order_and_carry_their_place(found):
    assert [(prompt.index, prompt.text) for prompt in workload(found).prompts] == list(enumerate(found))


def test_a_workload_without_a_prompt_is_refused():
    with pytest.raises(PromptsError, match="at least one"):
        workload([])


@given(texts, texts)
def test_the_digest_is_equal_for_equal_texts_only(ours, theirs):
    digest = workload(ours).sha256
    assert len(digest) == 64
    assert set(digest) <= set("0123456789abcdef")
    assert (digest == workload(theirs).sha256) == (ours == theirs)
    assert digest == workload(ours, Generation(max_tokens=1, seed=8)).sha256


def test_the_digest_tells_where_one_prompt_ends_and_the_next_begins():
    assert len({workload(found).sha256 for found in (["a", "b"], ["ab"], ["a\nb"], ["a,b"], ["a", "", "b"])}) == 5


@given(texts)
def test_a_json_list_is_read_back_as_it_was_written(found):
    with tempfile.TemporaryDirectory() as folder:
        plain, wrapped = Path(folder, "plain.json"), Path(folder, "wrapped.JSON")
        plain.write_text(json.dumps(found), encoding="utf-8")
        wrapped.write_text(json.dumps({"prompts": found}, ensure_ascii=False), encoding="utf-8")
        assert load(plain) == load(wrapped) == found


@pytest.mark.parametrize(
    ("content", "prompts"),
    [
        ("one\ntwo\n", ["one", "two"]),
        ("one\r\ntwo", ["one", "two"]),
        ("\n  \none\n\t\n\ntwo\n\n", ["one", "two"]),
        ("\ufeffone\n", ["one"]),
        ('["one"]\n', ['["one"]']),
        ("für drei\n", ["für drei"]),
    ],
    ids=["two lines", "CRLF", "blank lines", "byte order mark", "JSON in a text file", "beyond ASCII"],
)
def test_a_text_file_has_one_prompt_a_line(file, content, prompts):
    assert load(file(content)) == prompts


def test_a_byte_order_mark_before_json_is_passed_over(file):
    assert load(file('\ufeff["one", " "]', "p.json")) == ["one"]


@pytest.mark.parametrize("content", ["", "\n", " \t\n\r\n", "\ufeff"])
def test_a_text_file_of_blank_lines_holds_no_prompt(file, content):
    assert "holds no prompt" in refusal(file(content))


@pytest.mark.parametrize("content", ["[]", '["", "  "]', '{"prompts": []}'])
def test_a_json_list_of_nothing_holds_no_prompt(file, content):
    assert "holds no prompt" in refusal(file(content, "p.json"))


@pytest.mark.parametrize("content", ["", "[", '["one",]', "['one']", "[1" + "1" * 5000 + "]"])
def test_what_is_not_json_is_refused_and_called_so(file, content):
    message = refusal(file(content, "p.json"))
    assert "is not JSON" in message
    assert "p.json" in message


@pytest.mark.parametrize("content", ['"one"', "1", "null", "{}", '{"prompts": "one"}', '{"prompts": {"0": "one"}}'])
def test_json_that_is_no_list_is_told_what_to_be(file, content):
    assert "must hold a JSON list of strings" in refusal(file(content, "p.json"))


@pytest.mark.parametrize("item", [1, None, ["two"], {"text": "two\nlines"}])
def test_an_entry_that_is_no_string_is_named_by_its_place(file, item):
    message = refusal(file(json.dumps(["one", item]), "p.json"))
    assert "entry 1" in message
    assert "not a string" in message


def test_a_file_that_is_not_utf_8_is_refused_with_the_byte_and_its_place(file):
    message = refusal(file(b"caf\xe9 au lait\n"))
    assert "0xe9 at offset 3" in message


@pytest.mark.parametrize("name", ["missing.txt", "missing.json", ""], ids=["text", "JSON", "a folder"])
def test_what_cannot_be_read_is_named(tmp_path, name):
    message = refusal(tmp_path / name)
    assert "cannot be read" in message
    assert str(tmp_path / name) in message


def test_json_nested_beyond_reason_is_refused(file):
    assert "is not JSON" in refusal(file("[" * 100_000, "p.json"))


def test_a_prompt_that_is_read_can_be_sent_as_utf_8(file):
    try:
        found = load(file('["half of a pair: \\ud83d"]', "p.json"))
    except PromptsError:
        return
    assert [text.encode() for text in found]
