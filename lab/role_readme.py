"""Write each role's README from its argument specs.

    python lab/role_readme.py [--check]

What stands between the two markers is made from `meta/argument_specs.yml`; what stands around them is kept. With
`--check` nothing is written and the status is 1 when a README is missing or not current.
"""

import re
import sys
from pathlib import Path
from typing import Any

import yaml

ROLES = Path(__file__).resolve().parent.parent / "roles"
BEGIN = "<!-- made from meta/argument_specs.yml by `make docs`: begin -->"
END = "<!-- made from meta/argument_specs.yml by `make docs`: end -->"
# C(code), V(value), O(option), B(bold), I(italic) of Ansible's own markup.
MARKUP = (
    (re.compile(r"\b[CVO]\(([^)]*)\)"), r"`\1`"),
    (re.compile(r"\bB\(([^)]*)\)"), r"**\1**"),
    (re.compile(r"\bI\(([^)]*)\)"), r"*\1*"),
)


def texts(value: str | list[str] | None) -> list[str]:
    """Paragraphs of a description, in Markdown."""
    paragraphs = [value] if isinstance(value, str) else value or []
    result = []
    for paragraph in paragraphs:
        text = " ".join(str(paragraph).split())
        for pattern, replacement in MARKUP:
            text = pattern.sub(replacement, text)
        result.append(text)
    return result


def literal(value: object) -> str:
    """A value as YAML in one line, as code."""
    text = yaml.safe_dump(value, default_flow_style=True, allow_unicode=True, width=10**6).strip()
    return "`" + text.removesuffix("...").strip().replace("|", "\\|") + "`"


def kind(option: dict[str, Any]) -> str:
    """The type, with that of the elements."""
    name = str(option.get("type", "str"))
    return f"{name} of {option['elements']}" if "elements" in option else name


def rows(options: dict[str, Any], prefix: str = "") -> list[str]:
    """Table rows, those of a nested option right below it."""
    result = []
    for name, option in options.items():
        default = "required" if option.get("required") else literal(option["default"]) if "default" in option else ""
        description = " ".join(texts(option.get("description")))
        if option.get("choices"):
            description += f" One of {', '.join(literal(choice) for choice in option['choices'])}."
        description = description.replace("|", "\\|")
        result.append(f"| `{prefix}{name}` | {kind(option)} | {default} | {description} |")
        if "options" in option:
            result += rows(option["options"], f"{prefix}{name}{'[]' if option.get('type') == 'list' else ''}.")
    return result


def generated(specs: dict[str, Any]) -> str:
    """Everything between the markers."""
    lines = [BEGIN]
    for entry, spec in specs.items():
        if entry != "main":
            lines += ["", f"## Entry point `{entry}`"]
        lines += ["", *(texts(spec.get("short_description")) if entry != "main" else []), ""]
        lines += ["\n\n".join(texts(spec.get("description")))]
        if spec.get("options"):
            lines += ["", "| variable | type | default | what it is |", "|---|---|---|---|", *rows(spec["options"])]
    text = "\n".join([*lines, "", END])
    return re.sub(r"\n{3,}", "\n\n", text)


def readme(role: Path) -> str:
    """The role's whole README as it should be."""
    specs: dict[str, Any] = yaml.safe_load((role / "meta/argument_specs.yml").read_text())["argument_specs"]
    path = role / "README.md"
    old = path.read_text() if path.exists() else ""
    if BEGIN in old and END in old:
        head, _, rest = old.partition(BEGIN)
        _, _, tail = rest.partition(END)
    else:
        short = texts(specs["main"].get("short_description"))[0].rstrip(".")
        head, tail = f"# {role.name}\n\n{short}.\n\n", "\n"
    return head + generated(specs) + tail


def main(words: list[str]) -> int:
    """The command line."""
    if words not in ([], ["--check"]):
        print(__doc__, file=sys.stderr)
        return 2
    stale = []
    for role in sorted(path.parent.parent for path in ROLES.glob("*/meta/argument_specs.yml")):
        path, wanted = role / "README.md", readme(role)
        if path.exists() and path.read_text() == wanted:
            continue
        stale.append(role.name)
        if not words:
            path.write_text(wanted)
    if stale:
        print(f"{'not current, run `make docs`' if words else 'written'}: {', '.join(stale)}")
    return 1 if words and stale else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
