"""The command `target-launchdarkly-sandbox`."""

from __future__ import annotations

import signal
import threading
from dataclasses import fields
from typing import TYPE_CHECKING, TypedDict, TypeVar, Unpack

import click

from .state.errors import ApiError
from .state.rules import ExportRules, ImportRules
from .state.segment import USER_KIND
from .state.store import (
    DEFAULT_ENVIRONMENT_KEY,
    DEFAULT_PROJECT_KEY,
    DEFAULT_SDK_KEY,
    DEFAULT_TOKEN,
)
from .web.faults import FAULT_KINDS, Fault
from .web.limits import RateLimit
from .web.log import DROPPED, Exchange, RequestLog
from .web.meanwhile import Meanwhile
from .web.rule_specs import parse_export_rules, parse_import_rules
from .web.server import Sandbox

if TYPE_CHECKING:
    from collections.abc import Callable

DEFAULT_PORT = 8765
_KEPT_BODIES = 200
_T = TypeVar("_T")


class _Options(TypedDict):
    host: str
    port: int
    project: str
    environment: str
    token: str
    sdk_key: str
    segments: tuple[tuple[str, str], ...]
    big_segments: tuple[tuple[str, str], ...]
    rate_limit: RateLimit | None
    read_only: bool
    require_approval: bool
    ignore_dry_run: bool
    faults: tuple[Fault, ...]
    meanwhile: tuple[Meanwhile, ...]
    imports: ImportRules
    exports: ExportRules
    count_lag: int


def _option_type(parse: Callable[[str], _T]) -> Callable[[str], _T]:
    """Give a parser whose ValueError is the user's error, with its message."""

    def convert(text: str) -> _T:
        try:
            return parse(text)
        except ValueError as error:
            raise click.BadParameter(str(error)) from error

    return convert


def _parse_segment(text: str) -> tuple[str, str]:
    key, colon, context_kind = text.partition(":")
    return key, context_kind if colon else USER_KIND


def _names(rules: type[ImportRules | ExportRules]) -> str:
    return ", ".join(one.name for one in fields(rules))


@click.command()
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    help="Address to listen on; only this machine can reach the default.",
)
@click.option(
    "--port",
    type=click.IntRange(0, 65_535),
    default=DEFAULT_PORT,
    show_default=True,
    help="0 picks a free one.",
)
@click.option("--project", default=DEFAULT_PROJECT_KEY, show_default=True, help="Project key.")
@click.option(
    "--environment", default=DEFAULT_ENVIRONMENT_KEY, show_default=True, help="Environment key."
)
@click.option("--token", default=DEFAULT_TOKEN, show_default=True, help="Token to ask for.")
@click.option(
    "--sdk-key",
    default=DEFAULT_SDK_KEY,
    show_default=True,
    help="SDK key with which applications read the segments as flags.",
)
@click.option(
    "segments",
    "--segment",
    metavar="KEY[:KIND]",
    type=_option_type(_parse_segment),
    multiple=True,
    help="A standard segment.",
)
@click.option(
    "big_segments",
    "--big-segment",
    metavar="KEY[:KIND]",
    type=_option_type(_parse_segment),
    multiple=True,
    help="A big segment.",
)
@click.option(
    "--rate-limit",
    metavar="N/SECONDS",
    type=_option_type(RateLimit.parse),
    help="Such as 10/10: ten requests in 10 seconds.",
)
@click.option("--read-only", is_flag=True, help="The token may not change anything.")
@click.option(
    "--require-approval", is_flag=True, help="Patches need an approval, imports wait for it."
)
@click.option("--ignore-dry-run", is_flag=True, help="A PATCH with ?dryRun=true is a real one.")
@click.option(
    "faults",
    "--fault",
    metavar="SPEC",
    type=_option_type(Fault.parse),
    multiple=True,
    help=(
        "KIND[:key=value,...], such as status:status=503,times=2,method=PATCH. "
        f"Kinds: {', '.join(FAULT_KINDS)}. Keys: method, after, seconds, status, times, body, "
        "headers.NAME; later and when (before, after) of late kinds; behind of stale."
    ),
)
@click.option(
    "meanwhile",
    "--meanwhile",
    metavar="SPEC",
    type=_option_type(Meanwhile.parse),
    multiple=True,
    help=(
        "What somebody else does at a request: METHOD:segment=KEY,..., such as "
        "PATCH:after=1,segment=beta-users,remove=user-1; * is any method. One of delete, recreate, "
        "or any of add, remove, exclude, unexclude with a key each. Keys: kind, after, times, "
        "when (before, after). Or import, with seconds, and a key to add each."
    ),
)
@click.option(
    "--imports",
    metavar="SPEC",
    type=_option_type(parse_import_rules),
    default="",
    help=(
        f"How imports go: NAME[=VALUE],... of {_names(ImportRules)}; such as seconds=600 or "
        "outcome=stopped."
    ),
)
@click.option(
    "--exports",
    metavar="SPEC",
    type=_option_type(parse_export_rules),
    default="",
    help=(
        f"How exports go: NAME[=VALUE],... of {_names(ExportRules)}; such as denied or "
        "header=key,missing=2."
    ),
)
@click.option(
    "--count-lag",
    metavar="N",
    type=click.IntRange(0),
    default=0,
    help="So many GETs still show how many targets a big segment had before a change.",
)
def main(**options: Unpack[_Options]) -> None:
    """Run a stand-in for LaunchDarkly's segments API, to rehearse against.

    Nothing is kept when it stops. Every request is a line on stderr. A browser at its address
    shows the segments, their members, and their last patches, imports and exports.
    """
    sandbox = _make_sandbox(options)
    sandbox.rate_limit = options["rate_limit"]
    sandbox.read_only = options["read_only"]
    sandbox.approval_required = options["require_approval"]
    sandbox.ignores_dry_run = options["ignore_dry_run"]
    sandbox.import_rules = options["imports"]
    sandbox.export_rules = options["exports"]
    sandbox.count_lag_reads = options["count_lag"]
    sandbox.faults.extend(options["faults"])
    for change in options["meanwhile"]:
        change.arrange(sandbox)
    _serve_until_signal(sandbox, options["host"], options["port"])


def _make_sandbox(options: _Options) -> Sandbox:
    log = RequestLog(keep_bodies=_KEPT_BODIES, on_exchange=_echo_exchange)
    sandbox = Sandbox(
        options["project"],
        options["environment"],
        options["token"],
        log=log,
        sdk_key=options["sdk_key"],
    )
    try:
        for key, context_kind in options["segments"]:
            sandbox.add_segment(key, context_kind=context_kind)
        for key, context_kind in options["big_segments"]:
            sandbox.add_segment(key, context_kind=context_kind, unbounded=True)
    except ApiError as error:
        raise click.UsageError(error.message) from error
    return sandbox


def _serve_until_signal(sandbox: Sandbox, host: str, port: int) -> None:
    stopped = threading.Event()
    try:
        with sandbox.serve(host, port):
            for number in (signal.SIGINT, signal.SIGTERM):
                signal.signal(number, lambda *_: stopped.set())
            place = f"project {sandbox.project_key}, environment {sandbox.environment_key}"
            # click.echo flushes.
            click.echo(f"Sandbox ready at {sandbox.url} ({place}, token {sandbox.token})")
            stopped.wait()
    except OSError as error:
        raise click.ClickException(f"cannot listen on {host} port {port}: {error}") from error


def _echo_exchange(exchange: Exchange) -> None:
    click.echo(f"{exchange.method} {exchange.path} {exchange.status or DROPPED}", err=True)
