"""A group whose commands are loaded when they are called: one word shall not pay for what all others need."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

import click


class LazyGroup(click.Group):
    """A group of commands of its own and of others in modules.

    Args:
        elsewhere: module -> words of its commands; the module has them, as click commands, in `COMMANDS`.
    """

    def __init__(self, *arguments: Any, elsewhere: Mapping[str, tuple[str, ...]], **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.module_of = {word: module for module, words in elsewhere.items() for word in words}

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All words, sorted."""
        return sorted({*super().list_commands(ctx), *self.module_of})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that word; None if there is none."""
        if cmd_name in self.module_of and cmd_name not in self.commands:
            for command in importlib.import_module(self.module_of[cmd_name]).COMMANDS:
                self.add_command(command)
        return super().get_command(ctx, cmd_name)
