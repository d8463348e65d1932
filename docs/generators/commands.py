"""The command line's reference, from the functions that typer turns into verbs."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from typing import Any, get_args, get_type_hints

import typer

from dvr_ray.cli.main import app
from generators.fields import table

__all__ = ["command_pages", "commands", "options"]


def commands(
    group: typer.Typer = app, words: tuple[str, ...] = ()
) -> dict[str, Callable[..., Any]]:
    """Return every verb with its function: ``{"data describe": function}``."""
    found = {
        " ".join([*words, str(each.name)]): each.callback for each in group.registered_commands
    }
    for inner in group.registered_groups:
        assert inner.typer_instance is not None
        found |= commands(inner.typer_instance, (*words, str(inner.name)))
    return {name: function for name, function in found.items() if function is not None}


def options(function: Callable[..., Any]) -> Iterator[tuple[str, Any, Any, Any]]:
    """Yield name, typer's description, type and default of every parameter of a verb."""
    hints = get_type_hints(function, include_extras=True)
    for name, parameter in inspect.signature(function).parameters.items():
        annotation, described = get_args(hints[name])[:2]
        yield name, described, annotation, parameter.default


def command_pages() -> str:
    """Return one section per verb: usage, help, arguments and options."""
    parts = []
    for words, function in commands().items():
        rows = [_row(*each) for each in options(function)]
        usage = " ".join(["dvr-ray", words, *_arguments(function), "[OPTIONS]"])
        parts += [f"## dvr-ray {words}", f"```text\n{usage}\n```", _help(function)]
        parts.append(table(["argument or option", "default", "meaning"], rows))
    return "\n\n".join(parts)


def _arguments(function: Callable[..., Any]) -> list[str]:
    return [
        name.upper() if default is inspect.Parameter.empty else f"[{name.upper()}]"
        for name, described, _, default in options(function)
        if isinstance(described, typer.models.ArgumentInfo)
    ]


def _help(function: Callable[..., Any]) -> str:
    """Return the help text; its line "Example: ..." becomes a block of its own."""
    paragraphs = []
    for paragraph in (inspect.getdoc(function) or "").split("\n\n"):
        text = " ".join(paragraph.split())
        example = text.removeprefix("Example: ")
        paragraphs.append(text if example == text else f"```text\n{example}\n```")
    return "\n\n".join(paragraphs)


def _row(name: str, described: Any, annotation: Any, default: Any) -> list[str]:
    if isinstance(described, typer.models.ArgumentInfo):
        return [f"`{name.upper()}`", "-", described.help or ""]
    # In the form with Annotated, typer keeps the first of the names as the default.
    given = [n for n in (described.default, *(described.param_decls or ())) if _is_name(n)]
    names = ", ".join(f"`{n}`" for n in given or [f"--{name.replace('_', '-')}"])
    shown = "-" if default is None or default is False else f"`{default}`"
    return [f"{names} {_value(described, annotation)}".rstrip(), shown, described.help or ""]


def _is_name(text: Any) -> bool:
    return isinstance(text, str) and text.startswith("-")


def _value(described: Any, annotation: Any) -> str:
    """Say what follows an option; nothing follows a switch."""
    if annotation is bool:
        return ""
    text = str(annotation)
    kind = "PATH" if "Path" in text else "NUMBER" if "int" in text or "float" in text else "TEXT"
    return described.metavar or kind
