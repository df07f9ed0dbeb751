"""An HTML page taken apart with the standard library, for the tests that read one."""

from __future__ import annotations

from html.parser import HTMLParser

VOID = {"meta", "img", "br", "hr", "link", "input", "path", "use", "rect"}
INLINE = {"a", "code", "strong"}


class Page(HTMLParser):
    """A page taken apart: complains of tags that do not pair, keeps text by section."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.section = ""
        self.text: dict[str, str] = {"": ""}
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self.space(tag)
        if tag == "section":
            self.section = str(dict(attrs)["id"])
            self.text[self.section] = ""
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if tag in VOID:
            return
        assert self.open.pop() == tag
        self.space(tag)
        if tag == "section":
            self.section = ""

    def handle_data(self, data: str) -> None:
        if not self.open or self.open[-1] != "style":
            self.text[self.section] += data

    def space(self, tag: str) -> None:
        """Words of two cells or blocks are two words."""
        self.text[self.section] += "" if tag in INLINE else " "

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attrs for name, attrs in self.tags if name == tag]

    def words(self, section: str = "") -> str:
        return " ".join(self.text[section].split())
