"""From a prompt set's name, a user's file or a list to templates."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from pathlib import Path

from wiseft_jax.clip.prompts.sets import PROMPT_SETS
from wiseft_jax.core.errors import InputError, unknown_name

_SLOT = "{}"
_ARTICLE_SLOT = "{an}"
_SLOTS = (_SLOT, _ARTICLE_SLOT)
_VOWELS = tuple("aeiou")
_SUFFIXES = (".txt", ".json")

_log = logging.getLogger(__name__)


def resolve_templates(templates: str | Path | Sequence[str]) -> tuple[str, ...]:
    """Return templates in which ``{}`` stands for the class name.

    Args:
      templates: A name in ``PROMPT_SETS``; a ``.txt`` file (one template a line; empty lines don't
        count) or a ``.json`` file (a list of strings); one template; or a list of templates. The
        class's place is ``{}`` or ``{c}``; ``{an}`` is the class with its article (``fill``).

    Raises:
      InputError: No such set or file; no templates; a template without ``{}``, by line.

    Example:
      >>> resolve_templates("simple")
      ('a photo of a {}.',)
    """
    if not isinstance(templates, str | Path):
        numbered = [(f"template {i}", text) for i, text in enumerate(templates, 1)]
        return _checked("the list of templates", numbered)
    if isinstance(templates, str) and templates in PROMPT_SETS:
        return PROMPT_SETS[templates].templates
    if isinstance(templates, str) and any(slot in templates for slot in (*_SLOTS, "{c}")):
        return _checked("the template", [("template 1", templates)])
    path = Path(templates).expanduser()
    if path.suffix in _SUFFIXES or path.is_file():
        return _read(path)
    if isinstance(templates, Path):
        raise InputError(f"{path}: no such file.")
    error = unknown_name("prompt set", templates, PROMPT_SETS)
    raise InputError(f"{error} Or give a .txt or .json file, or a template with {{}}.")


def fill(template: str, class_name: str) -> str:
    """Return the prompt: ``template`` with the class in its places.

    ``{}`` becomes the name. ``{an}`` becomes the name with its article and spaces for underscores,
    as mlfoundations/wise-ft (``append_proper_article``) has it: "an" before a, e, i, o and u.

    Example:
      >>> fill("satellite photo of {an}.", "oil_or_gas_facility")
      'satellite photo of an oil or gas facility.'
    """
    words = class_name.replace("_", " ")
    article = "an" if words.startswith(_VOWELS) else "a"
    # In one pass: a class's name is text, whatever it looks like.
    pieces = [part.replace(_SLOT, class_name) for part in template.split(_ARTICLE_SLOT)]
    return f"{article} {words}".join(pieces)


def _read(path: Path) -> tuple[str, ...]:
    if not path.is_file():
        raise InputError(f"{path}: no such file (looked at {path.absolute()}).")
    try:
        text = path.read_text("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8 text ({error}).") from error
    if path.suffix != ".json":
        lines = enumerate(text.splitlines(), 1)
        return _checked(str(path), [(f"line {i}", line) for i, line in lines if line.strip()])
    try:
        entries = json.loads(text)
    except ValueError as error:
        raise InputError(f"{path}: not JSON ({error}).") from error
    if not isinstance(entries, list) or not all(isinstance(entry, str) for entry in entries):
        raise InputError(f"{path}: expected a JSON list of strings.")
    return _checked(str(path), [(f"entry {i}", entry) for i, entry in enumerate(entries, 1)])


def _checked(where: str, numbered: list[tuple[str, str]]) -> tuple[str, ...]:
    if not numbered:
        raise InputError(f"{where}: no templates.")
    templates = []
    for place, text in numbered:
        template = text.strip().replace("{c}", _SLOT)
        if not any(slot in template for slot in _SLOTS):
            raise InputError(
                f"{where}: {place} has no {{}} for the class name: {text!r}. Write, for example, "
                "'a photo of a {}.'"
            )
        if template in templates:
            _log.warning("%s: %s occurs twice and counts twice: %r", where, place, template)
        templates.append(template)
    return tuple(templates)
