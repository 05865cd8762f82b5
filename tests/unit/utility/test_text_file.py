"""A file that is not UTF-8 is refused with what it seems to be, its line and the remedy."""

from __future__ import annotations

from pathlib import Path

import pytest

from domain.errors import InputError
from utility.text import sentence
from utility.text_file import read_text

KOREAN = "매수 = True\n# 체결강도가 높으면 산다\n"


def refuse(path: Path, **words: int) -> InputError:
    with pytest.raises(InputError) as caught:
        read_text(path, **words)
    return caught.value


@pytest.mark.parametrize(
    ("raw", "code", "line", "encoding"),
    [
        (("x = 1\n" + KOREAN).encode("cp949"), "file.not_utf8", 2, "CP949"),
        (KOREAN.encode("utf-16"), "file.not_utf8", 1, "UTF-16"),
        (b"x = 1\ny = 2\nz = \xff\xfe\xff", "file.damaged", 3, ""),
        (b"x = 1 # caf\xe9\n", "file.damaged", 1, ""),
    ],
)
def test_another_encoding_is_named_with_its_line_and_the_remedy(tmp_path: Path, raw: bytes, code: str, line: int, encoding: str) -> None:
    path = tmp_path / "전략.txt"
    path.write_bytes(raw)
    error = refuse(path)
    assert (error.code, error.fields["line"], error.fields["encoding"]) == (code, line, encoding)
    assert "UTF-8로 저장하세요" in sentence(code, "ko", **error.fields)
    assert "save it as UTF-8" in sentence(code, "en", **error.fields)
    assert encoding in sentence(code, "en", **error.fields)
    assert "전략.txt" in sentence(code, "ko", **error.fields)


def test_what_notepad_adds_is_taken_off(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(KOREAN.replace("\n", "\r\n").encode("utf-8-sig"))
    assert read_text(path) == KOREAN


def test_a_file_that_is_absent_a_folder_or_too_large_is_refused(tmp_path: Path) -> None:
    assert refuse(tmp_path / "no").code == refuse(tmp_path).code == "file.unreadable"
    path = tmp_path / "a.txt"
    path.write_bytes(b"x" * 11)
    error = refuse(path, limit=10)
    assert (error.code, error.fields["size"], error.fields["limit"]) == ("file.too_large", 11, 10)
    assert read_text(path, limit=11) == "x" * 11
