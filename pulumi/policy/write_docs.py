"""Write the tables of docs/policies.md from the rules.

    python pulumi/policy/write_docs.py [--check]

What stands between the two markers is made; what stands around them is kept. With `--check` nothing is written and the
status is 1 when a page is not current.
"""

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # this folder is the package `policy`

from policy.rule import Rule
from policy.rules import ALL, MODULES

FOLDER = Path(__file__).resolve().parent
ROOT = FOLDER.parents[1]
BEGIN = "<!-- made from pulumi/policy by `make docs`: begin -->"
END = "<!-- made from pulumi/policy by `make docs`: end -->"
ENGLISH = {
    "head": "| rule | what must hold | controls | judged | level |",
    "each": "each resource, before it is made",
    "whole": "the whole stack, at the end",
    "mandatory": "mandatory",
    "advisory": "advisory",
    "left": "## Controls that do not apply",
    "left_head": "| control | why |",
}
CHINESE = {
    "head": "| 规则 | 必须成立的内容 | 控制项 | 检查时机 | 级别 |",
    "each": "每个资源创建之前",
    "whole": "整个堆栈，运行结束时",
    "mandatory": "强制",
    "advisory": "建议",
    "left": "## 不适用的控制项",
    "left_head": "| 控制项 | 原因 |",
}


def read(name: str) -> dict[str, Any]:
    """Return the data of a file beside this one."""
    return dict(yaml.safe_load((FOLDER / name).read_text(encoding="utf-8")))


def english() -> dict[str, dict[str, str]]:
    """Return what rules and reasons say, as `limits.zh-CN.yml` has it in Chinese."""
    areas = {module.__name__.rsplit(".", 1)[-1]: (module.__doc__ or "").strip().removesuffix(".") for module in MODULES}
    return {"areas": areas, "rules": {rule.name: rule.limit for rule in ALL}, **read("controls.yml")}


PAGES = {
    ROOT / "docs/policies.md": (ENGLISH, english()),
    ROOT / "docs/policies.zh-CN.md": (CHINESE, read("limits.zh-CN.yml")),
}


def tables(words: Mapping[str, str], texts: Mapping[str, Mapping[str, str]]) -> Iterator[str]:
    """Return the lines between the markers. KeyError for a rule or an area without a text."""
    yield BEGIN
    for module in MODULES:
        area = texts["areas"][module.__name__.rsplit(".", 1)[-1]]
        yield from ("", f"### {area}", "", words["head"], "|---|---|---|---|---|")
        for rule in (value for value in vars(module).values() if isinstance(value, Rule)):
            judged = words["each" if rule.types else "whole"]
            controls = ", ".join(rule.controls)
            yield f"| `{rule.name}` | {texts['rules'][rule.name]} | {controls} | {judged} | {words[rule.level]} |"
    yield from ("", words["left"], "", words["left_head"], "|---|---|")
    for control, reason in texts["not_applicable"].items():
        yield f"| {control} | {' '.join(reason.split())} |"
    yield from ("", END)


def page(path: Path, words: Mapping[str, str], texts: Mapping[str, Mapping[str, str]]) -> str:
    """Return the whole page as it should be. ValueError without the markers."""
    head, begin, rest = path.read_text(encoding="utf-8").partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"{path.relative_to(ROOT)}: the markers are missing: {BEGIN} and {END}")
    return head + "\n".join(tables(words, texts)) + tail


def main(words: list[str]) -> int:
    """The command line."""
    if words not in ([], ["--check"]):
        print(__doc__, file=sys.stderr)
        return 2
    stale = []
    for path, (language, texts) in PAGES.items():
        wanted = page(path, language, texts)
        if path.read_text(encoding="utf-8") != wanted:
            stale.append(str(path.relative_to(ROOT)))
            if not words:
                path.write_text(wanted, encoding="utf-8")
    if stale:
        print(f"{'not current, run `make docs`' if words else 'written'}: {', '.join(stale)}")
    return 1 if words and stale else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
