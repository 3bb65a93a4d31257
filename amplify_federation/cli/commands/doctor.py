"""`doctor`: what is as it should be, what is not, and what to do."""

import platform
from importlib.metadata import version

import click

from amplify_federation.cli.checks.configuration import (
    key_finding,
    pool_findings,
    store_findings,
)
from amplify_federation.cli.checks.disk import folder_findings, lock_finding
from amplify_federation.cli.checks.finding import Finding, Verdict, ok
from amplify_federation.cli.checks.reach import reach_findings
from amplify_federation.cli.checks.standing import session_finding
from amplify_federation.cli.target import Target, run, target_options
from amplify_federation.cli.terminal.exit_codes import ExitCode
from amplify_federation.cli.terminal.output import json_option, print_json, wants_json

_COLOURS = {Verdict.OK: "green", Verdict.NOTE: "yellow", Verdict.WRONG: "red"}


@click.command(
    "doctor",
    short_help="Check configuration, files, key, lock, clock and network.",
    epilog="\b\nExamples:\n"
    "  amplify-federation doctor --pool ID\n"
    "  amplify-federation doctor --config amplify_outputs.json --json",
)
@target_options
@click.option("--offline", is_flag=True, help="Do not ask the network.")
@json_option
def command(target: Target, *, offline: bool) -> None:
    """Check what a session needs, and say what to do where something is wrong.

    Looks at where each value of the configuration comes from, at the folder of the sessions and
    the modes of its files, at the key, at the lock, at the session, and at Cognito's endpoint and
    clock. Changes nothing, and prints no secret: its output can go into a bug report. Exits with 0
    if nothing is wrong, else with the number for the first thing that is.
    """
    findings = run(lambda: _examine(target, offline=offline), doing="Looking around")
    if wants_json():
        print_json([_document(finding) for finding in findings])
    else:
        _print(findings)
    codes = [finding.exit_code for finding in findings if finding.verdict is Verdict.WRONG]
    click.get_current_context().exit(int(codes[0] if codes else ExitCode.OK))


async def _examine(target: Target, *, offline: bool) -> list[Finding]:
    python = f"Python {platform.python_version()} on {platform.system()}"
    pool, findings = pool_findings(target)
    findings.insert(0, ok("version", f"{version('amplify-federation')}, {python}"))
    findings += store_findings(target)
    findings += folder_findings(target.store().path)
    findings.append(await key_finding(target))
    if pool is not None:
        findings.append(await lock_finding(target, pool))
        findings.append(await session_finding(target))
        if not offline:
            findings += await reach_findings(pool)
    return findings


def _document(finding: Finding) -> dict[str, str]:
    return {
        "subject": finding.subject,
        "verdict": finding.verdict.value,
        "found": finding.found,
        "advice": finding.advice,
    }


def _print(findings: list[Finding]) -> None:
    for finding in findings:
        verdict = click.style(f"{finding.verdict.value:<5}", fg=_COLOURS[finding.verdict])
        click.echo(f"{verdict}  {finding.subject:<8}  {finding.found}")
        if finding.advice:
            click.echo(f"{'':<17}{finding.advice}")
    faults = sum(finding.verdict is Verdict.WRONG for finding in findings)
    click.echo(f"\n{faults} wrong." if faults else "\nNothing is wrong.")
