"""The command line: parse, one call, print. Exit codes: 0 ok, 1 no match, nothing found, to mend, 2 error."""

from __future__ import annotations

import shlex
import signal
import sys
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from typer.core import TyperGroup

from lookalike.doors import (
    cli_calibrate,
    cli_compare,
    cli_decide,
    cli_duplicates,
    cli_identify,
    cli_index,
    cli_judge,
    cli_look,
    cli_match,
    cli_project,
    cli_search,
    cli_serve,
    cli_tune,
)
from lookalike.doors.cli_options import ERROR
from lookalike.errors import LookalikeError

INTERRUPTED, TERMINATED = 130, 143
_KEPT = {  # what is left of a command that was stopped
    "train": "; the epochs that were finished are kept: run the same command with --resume to go on",
    "index": "; what was finished is kept: run the same command to go on",
    "apply": "; what was put away is in the journal: run the same command to go on, or undo",
    "undo": "; what is back is back: run the same command to go on",
    "tune": "; the trials that were finished are kept: run the same command to go on",
}


class Terminated(KeyboardInterrupt):
    """The process was asked to end, as by `kill` or `timeout`; what Ctrl-C does is done."""


@contextmanager
def _ending_well() -> Iterator[None]:
    """Let SIGTERM end the block like Ctrl-C; only a main thread may say so."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def end(_number: int, _frame: object) -> NoReturn:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # once is enough
        raise Terminated

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


class Commands(TyperGroup):
    """Turns what goes wrong into one line on stderr and an exit code."""

    def main(self, args: Any = None, *rest: Any, **options: Any) -> Any:
        """Run a command line; give its exit code, or leave with it where this is the whole program."""
        alone = options.pop("standalone_mode", True)
        try:
            code = super().main(args, *rest, **{**options, "standalone_mode": False}) or 0
        except Exception as error:
            if not hasattr(error, "format_message"):  # typer's own complaints about a command line have one
                raise
            message = error.format_message()  # of several lines where no command was given: the help
            typer.echo(message if "\n" in message else f"error: {_misuse(error)}", err=True)
            code = ERROR
        if alone:
            sys.exit(code)
        return code

    def invoke(self, ctx: Any) -> Any:
        """Run a command."""
        try:
            with _ending_well():
                return super().invoke(ctx)
        except BrokenPipeError:
            sys.stderr.close()  # whoever read our output went away: nobody is left to tell
        except (KeyboardInterrupt, Exception) as error:
            if stop := _stop_behind(error):
                typer.echo(f"stopped{_KEPT.get(ctx.invoked_subcommand, '')}", err=True)
                raise typer.Exit(TERMINATED if isinstance(stop, Terminated) else INTERRUPTED) from None
            if hasattr(error, "exit_code"):  # typer's own: usage errors and exits
                raise
            _tell(error)
        raise typer.Exit(ERROR)


def _stop_behind(error: BaseException | None) -> KeyboardInterrupt | None:
    """The wish to stop that an error began with: a library that it meets makes another of it."""
    seen: set[int] = set()  # an error may be its own cause
    while error is not None and id(error) not in seen and not isinstance(error, KeyboardInterrupt):
        seen.add(id(error))
        error = error.__cause__ or error.__context__
    return error if isinstance(error, KeyboardInterrupt) else None


def _tell(error: BaseException) -> None:
    if isinstance(error, LookalikeError):
        from lookalike.doors.console import visible

        typer.echo(f"error: {visible(str(error))}", err=True)
        return
    traceback.print_exception(error)
    typer.echo("error: this is a fault of lookalike, not yours; please report the lines above", err=True)


def _misuse(error: Any) -> LookalikeError:
    command = error.ctx.command_path if getattr(error, "ctx", None) else "lookalike"
    return LookalikeError(
        "the command is not understood",
        where=command,
        saw=_in_plain_words(error.format_message().rstrip(".")),
        do=f"{command} --help shows how",
    )


def _in_plain_words(text: str) -> str:
    """A usage error without the words of the library that checks values.

    >>> _in_plain_words("Invalid value for '--port': Input should be greater than or equal to 0")
    "Invalid value for '--port': it should be greater than or equal to 0"
    """
    return text.replace("Value error, ", "").replace("Input should", "it should")


def _tell_version(wanted: bool) -> None:  # noqa: FBT001 - as typer calls it
    if wanted:
        typer.echo(f"lookalike {version('lookalike')}")
        raise typer.Exit


app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


Version = Annotated[
    bool, typer.Option("--version", callback=_tell_version, is_eager=True, help="Say the version.")
]


@app.callback()
def options(*, _version: Version = False) -> None:
    """Learned image similarity: train on your own notion of the same, then search and match."""


for look in (cli_look.describe, cli_look.doctor):
    app.command()(look)


@app.command()
def train(
    config: Annotated[Path, typer.Argument(help="Run file, for example recipes/emoji.yaml.")],
    *,
    data: Annotated[
        str | None, typer.Option(help="Folder, manifest or NAME:FOLDER; wins over the run file's data.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Run folder; runs/<name> if left out.")] = None,
    overrides: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Set a key.")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with a run that was stopped.")] = False,
) -> None:
    """Train, calibrate on val, evaluate on test, and write a report."""
    from lookalike.doors.console import Talk, put, run_lines, tell_skipped
    from lookalike.training.processes import is_first
    from lookalike.training.run import train as run_training

    with Talk() as talk:
        run = run_training(config, data, out=out, overrides=overrides or (), resume=resume, watcher=talk)
        tell_skipped(talk, run.skipped)
    if is_first():
        put("\n".join(run_lines(run)))


def demo(
    *,
    out: Annotated[
        Path | None, typer.Option(help="Folder for what it makes; a new one in runs/ if left out.")
    ] = None,
) -> None:
    """Go the whole way on the sample."""
    from lookalike.doors.console import Talk
    from lookalike.doors.demo import plan

    steps = plan(out)
    talk = Talk()
    for command in steps.commands:
        talk.say("", f"$ lookalike {shlex.join(command)}")
        if app(command, standalone_mode=False) == ERROR:
            raise typer.Exit(ERROR)
    talk.say("", f"Done. The report: {steps.report}", f"The answers as a page: {steps.answers}")
    talk.say("To search, compare and review in the browser:", f"$ lookalike {shlex.join(steps.page)}")
    if sys.stdin.isatty() and sys.stdout.isatty() and typer.confirm("Open that page now?", err=True):
        app([*steps.page, "--open"], standalone_mode=False)


for command in (
    cli_tune.tune,
    cli_judge.evaluate,
    cli_calibrate.calibrate,
    cli_compare.compare,
    cli_project.project,
    cli_match.embed,
    cli_index.index,
    cli_search.search,
    cli_identify.identify,
    cli_duplicates.duplicates,
    cli_duplicates.apply,
    cli_duplicates.undo,
    cli_decide.decide,
    cli_decide.decisions,
    cli_serve.serve,
):
    app.command()(command)
app.command(name="match")(cli_match.match_)
app.command()(cli_match.info)
app.command()(demo)


def main() -> None:
    """Run the command line."""
    app()
