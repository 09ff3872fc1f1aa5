"""Commands that read the journal's file itself, with or without a daemon; they never change it."""

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from droptable.cli.exits import CommandError, ExitCode
from droptable.cli.options import AsJson, StateDir
from droptable.cli.output import put, put_document, say
from droptable.daemon.places import state_dir

if TYPE_CHECKING:
    from droptable.journal.event import Head

app = typer.Typer(help="The journal's file, read directly.", no_args_is_help=True)

JournalPath = Annotated[
    Path | None,
    typer.Argument(metavar="[PATH]", help="A journal's file or a state directory, instead."),
]


@app.command()
def verify(
    path: JournalPath = None,
    state_directory: StateDir = None,
    known_file: Annotated[
        Path | None,
        typer.Option(
            "--known",
            metavar="FILE",
            help="A head that somebody else kept, as JSON of `journal head` or `ledger/head`; "
            "it shows when the end was cut off.",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Prove that the journal is whole, or name the first event that is not (code 8)."""
    from droptable.journal.verify import verify as verified

    at = _journal_at(path, state_directory)
    known = None if known_file is None else _head_in(known_file)
    try:
        verdict = verified(at, known)
    except FileNotFoundError:
        raise _no_journal(at) from None
    if as_json:
        put_document(
            {
                "schema": "journal-verdict/1",
                "ok": verdict.ok,
                "events": verdict.events,
                "epoch": verdict.head.epoch,
                "head_seq": verdict.head.seq,
                "head_hash": verdict.head.hash,
                "first_bad_seq": verdict.first_bad_seq,
                "why": verdict.why,
            }
        )
    if not verdict.ok:
        place = "" if verdict.first_bad_seq is None else f" at event {verdict.first_bad_seq}"
        text = (
            f"JOURNAL_BROKEN: the journal does not verify{place}: {verdict.why}. "
            f"{verdict.events} events before that are whole. Keep the file as it is."
        )
        raise CommandError(ExitCode.FOUND_PROBLEM, text)
    if not as_json:
        put(f"{verdict.events} events, gapless and unbroken; head {verdict.head.hash}")


@app.command()
def head(
    path: JournalPath = None, state_directory: StateDir = None, as_json: AsJson = False
) -> None:
    """Show the newest event's number and hash, to be kept where nobody can rewrite it."""
    from droptable.journal.verify import head as newest

    at = _journal_at(path, state_directory)
    try:
        found = newest(at)
    except FileNotFoundError:
        raise _no_journal(at) from None
    if as_json:
        put_document(
            {"schema": "head/1", "epoch": found.epoch, "seq": found.seq, "hash": found.hash}
        )
    else:
        put(f"{found.epoch}\t{found.seq}\t{found.hash}")


@app.command()
def backup(
    to: Annotated[Path, typer.Argument(metavar="FILE", help="The copy; must not exist yet.")],
    path: JournalPath = None,
    state_directory: StateDir = None,
    as_json: AsJson = False,
) -> None:
    """Copy the journal as it is now, beside a running daemon, and verify the copy (else code 8)."""
    from droptable.journal.backup import back_up

    at = _journal_at(path, state_directory)
    try:
        verdict = back_up(at, to)
    except FileExistsError:
        text = f"{to} exists already. Name a new file; a backup replaces nothing."
        raise CommandError(ExitCode.USAGE, text) from None
    except FileNotFoundError as missing:
        if missing.filename is None:
            raise _no_journal(at) from None
        raise CommandError(ExitCode.USAGE, f"{to} cannot be written: no such folder.") from None
    except OSError as error:
        text = f"{to} cannot be written: {error.strerror or error}."
        raise CommandError(ExitCode.USAGE, text) from None
    if as_json:
        found = verdict.head
        put_document(
            {
                "schema": "backup/1",
                "file": str(to),
                "ok": verdict.ok,
                "epoch": found.epoch,
                "seq": found.seq,
                "hash": found.hash,
            }
        )
    if not verdict.ok:
        text = f"JOURNAL_BROKEN: the copy does not verify, as the journal does not: {verdict.why}."
        raise CommandError(ExitCode.FOUND_PROBLEM, text)
    if not as_json:
        put(f"{to}: {verdict.events} events, up to {verdict.head.seq}")


def _journal_at(path: Path | None, state_directory: Path | None) -> Path:
    return path if path is not None else state_dir(state_directory, os.environ)


def _no_journal(at: Path) -> CommandError:
    return CommandError(
        ExitCode.USAGE, f"There is no journal at {at}. Name its file, or give --state-dir."
    )


def _head_in(file: Path) -> "Head":
    from droptable.journal.event import Head

    try:
        document = json.loads(file.read_text())
        head = Head(str(document["epoch"]), int(document["seq"]), str(document["hash"]))
    except OSError as error:
        text = f"{file} cannot be read: {error.strerror}."
    except (ValueError, KeyError, TypeError):
        text = f"{file} is no JSON object with epoch, seq and hash."
    else:
        say(f"Compared with event {head.seq} as {file} knows it.")
        return head
    raise CommandError(ExitCode.USAGE, text)
