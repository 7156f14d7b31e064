"""`schema`: the JSON Schema of the bundle."""

from __future__ import annotations

import json

import click

from bsm_remediate.config.schema import json_schema


@click.command(epilog="Example: bsm-remediate schema > bundle.schema.json")
def command() -> None:
    r"""Print the JSON Schema of the bundle, for editors.

    Point an editor at it with this first line of a policy file:

    \b
      # yaml-language-server: $schema=bundle.schema.json
    """
    click.echo(json.dumps(json_schema(), indent=2, ensure_ascii=False))
