"""YAML as we read it: few types, every place known, nothing that acts."""

from __future__ import annotations

from pathlib import Path

import pytest

from bsm_remediate.config.reader import Document, bundle_files, read, read_text


def _document(text: str) -> Document:
    return read_text(text, Document(file="b.yml"))


def _findings(text: str) -> list[tuple[str, int, int]]:
    return [(one.code, one.line, one.column) for one in _document(text).findings]


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("true", True),
        ("false", False),
        ("null", None),
        ("~", None),
        ("", None),
        ("0", 0),
        ("-17", -17),
        ("12.50", 12.5),
        ("off", "off"),
        ("on", "on"),
        ("no", "no"),
        ("yes", "yes"),
        ("y", "y"),
        ("True", "True"),
        ("NULL", "NULL"),
        ("18:00", "18:00"),
        ("08:00-18:00", "08:00-18:00"),
        ("190:20:30", "190:20:30"),
        ("2026-01-05", "2026-01-05"),
        ("2026-01-05T09:00:00Z", "2026-01-05T09:00:00Z"),
        ("0o17", "0o17"),
        ("017", "017"),
        ("0x1F", "0x1F"),
        ("1_000", "1_000"),
        ("1e3", "1e3"),
        (".5", ".5"),
        (".inf", ".inf"),
        (".nan", ".nan"),
        ("30s", "30s"),
        ("60%", "60%"),
        ("3/1h", "3/1h"),
        ("=", "="),
        ("'true'", "true"),
        ('"5"', "5"),
        ("|-\n  5", "5"),
        ("12345678901234567890", "12345678901234567890"),
    ],
)
def test_only_true_false_decimal_numbers_and_null_are_typed(written: str, value: object) -> None:
    document = _document(f"key: {written}\n")
    assert document.findings == []
    assert document.value == {"key": value}
    assert isinstance(document.value, dict)
    assert type(document.value["key"]) is type(value)


def test_keys_are_text_whatever_they_look_like() -> None:
    assert _document("1: a\ntrue: b\nnull: c\n2026-01-05: d\n").value == {
        "1": "a",
        "true": "b",
        "null": "c",
        "2026-01-05": "d",
    }


def test_a_key_written_twice_names_both_places() -> None:
    document = _document("a: 1\nb:\n  c: 1\n  d: 2\n  c: 3\n")
    assert [str(one) for one in document.findings] == [
        "b.yml:5:3: error duplicate-key: 'c' is written twice (it is first at line 3, column 3)"
    ]
    assert document.value == {"a": 1, "b": {"c": 1, "d": 2}}


@pytest.mark.parametrize(
    ("text", "finding"),
    [
        ("a: !!python/object/apply:os.system [id]\n", ("yaml-tag", 1, 4)),
        ("a: !!str 5\n", ("yaml-tag", 1, 4)),
        ("a: !vault x\n", ("yaml-tag", 1, 4)),
        ("a: !!set {b, c}\n", ("yaml-tag", 1, 4)),
        ("x: &x {a: 1}\nb:\n  <<: *x\n", ("merge-key", 3, 3)),
        ("? [a, b]\n: c\n", ("key-no-text", 1, 3)),
        ("a: [1, 2\nb: 3\n", ("not-yaml", 2, 2)),
        ("a: *nowhere\n", ("not-yaml", 1, 4)),
        ("a: 1\n---\nb: 2\n", ("not-yaml", 2, 1)),
        ("a: \0\n", ("not-yaml", 1, 1)),
        ("\ta: 1\n", ("not-yaml", 1, 1)),
    ],
)
def test_what_is_no_part_of_a_bundle_is_a_finding_with_its_place(text: str, finding: tuple[str, int, int]) -> None:
    assert finding in _findings(text)


@pytest.mark.parametrize("text", ["[" * 100_000, "{a: " * 100_000, "- " * 100_000, "a: " + "[" * 500 + "]" * 500])
def test_deep_nesting_is_a_finding_and_no_crash(text: str) -> None:
    assert [code for code, _, _ in _findings(text)] == ["not-yaml"]


def test_many_aliases_to_the_same_thing_are_refused_before_they_grow() -> None:
    laughs = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
        f"{after}: &{after} [{', '.join([f'*{before}'] * 9)}]\n"
        for before, after in zip("abcdefghij", "bcdefghijk", strict=True)
    )
    assert "too-many-aliases" in {code for code, _, _ in _findings(laughs)}


def test_an_alias_to_itself_ends() -> None:
    assert "too-deep" in {code for code, _, _ in _findings("a: &a\n  b: *a\n")}


def test_places_are_those_of_keys_and_values() -> None:
    document = _document("a:\n  b: [x, {c: 1}]\n")
    assert (document.place(("a", "b", 1, "c")).line, document.place(("a", "b", 1, "c")).column) == (2, 14)
    key = document.place(("a", "b", 1, "c"), of_key=True)
    assert (key.line, key.column) == (2, 11)


@pytest.mark.parametrize("raw", [b"currency: \xe4\n", "currency: EUR\n".encode("utf-16"), b"\xff\xfe"])
def test_a_file_that_is_no_utf8_is_a_finding(raw: bytes, tmp_path: Path) -> None:
    (tmp_path / "b.yml").write_bytes(raw)
    assert [one.code for one in read(tmp_path / "b.yml", "b.yml").findings] == ["unreadable"]


def test_a_bundle_is_the_yaml_files_directly_in_its_folder(tmp_path: Path) -> None:
    for name in ("b.yml", "a.yaml", "c.json", "README.md", "tests/t.yml", "examples/e.yml"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("")
    assert [file.name for file in bundle_files(tmp_path)] == ["a.yaml", "b.yml"]
    assert list(bundle_files(tmp_path / "b.yml")) == [tmp_path / "b.yml"]
