"""`check`: is the bundle sound?"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bsm_remediate.cli.context import Deployment, pass_deployment
from bsm_remediate.domain.finding import Finding, Severity

if TYPE_CHECKING:
    from bsm_remediate.domain.event import Json


@click.command(epilog="Example: bsm-remediate check policies --strict")
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path))
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True)
@click.option("--strict", is_flag=True, help="Exit with 1 when there are warnings.")
@pass_deployment
def command(deployment: Deployment, paths: tuple[Path, ...], form: str, strict: bool) -> None:
    """Check the bundle, its playbooks and the inventory; all errors at once.

    PATH is a bundle's folder or file (default: --policies). Each finding says where it is, what is wrong and what to
    do. Exits with 2 when the bundle is invalid.
    """
    findings: list[Finding] = []
    for path in paths or (None,):
        installation = replace(deployment, policies=path or deployment.policies).installation()
        loaded = installation.load_bundle(scrutinise=True)
        findings.extend(loaded.findings)
        findings.extend(installation.scan_playbooks(loaded.bundle))
    findings = sorted(set(findings))
    errors = sum(one.severity is Severity.ERROR for one in findings)
    if form == "json":
        _print_json(findings)
    else:
        for finding in findings:
            click.echo(str(finding))
        click.echo(_summary(errors, len(findings) - errors), err=bool(findings))
    if errors:
        raise SystemExit(2)
    if strict and findings:
        raise SystemExit(1)


def _print_json(findings: list[Finding]) -> None:
    import json

    rows: list[Json] = [
        {
            "file": one.file,
            "line": one.line,
            "column": one.column,
            "severity": one.severity.value,
            "code": one.code,
            "message": one.message,
            "hint": one.hint,
        }
        for one in findings
    ]
    click.echo(json.dumps({"findings": rows}, indent=2, ensure_ascii=False))


def _summary(errors: int, warnings: int) -> str:
    if not errors and not warnings:
        return "The bundle is sound."
    parts = [
        f"{number} {name}{'s' if number != 1 else ''}" for number, name in ((errors, "error"), (warnings, "warning"))
    ]
    return ", ".join(part for part in parts if not part.startswith("0 ")) + "."
