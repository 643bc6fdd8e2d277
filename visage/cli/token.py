"""`visage token`: the tokens of callers of a daemon that others can reach."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from visage.cli.daemon_config import ConfigOption, read_config
from visage.home import expand_home

__all__ = ["app"]

DEFAULT_FILE = Path("~/.visage/tokens.json")

app = typer.Typer(
    name="token",
    help="Create, list and revoke the tokens of people and programs that use the daemon.",
    no_args_is_help=True,
)

Name = Annotated[str, typer.Argument(metavar="NAME", help="Owner of the token, for the audit log.")]
TokensOption = Annotated[
    Path,
    typer.Option("--tokens", envvar="VISAGE_TOKENS", metavar="FILE", help="Token file: the daemon's `web.token_file`."),
]


@app.command()
def create(
    name: Name,
    role: Annotated[str, typer.Option(metavar="viewer|operator|admin", help="Role of the token.")] = "viewer",
    source: Annotated[
        str,
        typer.Option(
            metavar="CAMERA", help="Allow only the pictures of this camera; the token then works in an address."
        ),
    ] = "",
    tokens: TokensOption = DEFAULT_FILE,
    config: ConfigOption = None,
) -> None:
    """Create a token and print it once: the file keeps only a hash.

    With --source the token may stand in an address, for dashboards that can't send headers:
    /api/v1/sources/CAMERA/snapshot.jpg?token=TOKEN, or live.mjpg.
    """
    from visage.web.tokens import Role, TokenStore  # noqa: PLC0415

    if role.upper() not in Role.__members__:
        raise typer.BadParameter(f"there is no role {role!r}; known: viewer, operator, admin")
    if source and role.upper() != Role.VIEWER.name:
        raise typer.BadParameter("a token of one camera is a viewer's: leave --role out")
    print(TokenStore(_file(tokens, config)).create(name, Role[role.upper()], source_id=source))


@app.command("list")
def list_tokens(tokens: TokensOption = DEFAULT_FILE, config: ConfigOption = None) -> None:
    """List all tokens with their roles. Secrets are not stored and can't be shown."""
    from visage.web.errors import TokenStoreError  # noqa: PLC0415
    from visage.web.tokens import TokenStore  # noqa: PLC0415

    file = _file(tokens, config)
    found = TokenStore(file).tokens()
    if not found and not file.exists():
        raise TokenStoreError(f"{file}: there are no tokens; `visage token create NAME` creates one")
    for token in found:
        scope = f"  pictures of {token.source_id} only" if token.source_id else ""
        print(f"{token.name}  {token.role.label}  since {token.created_at}{scope}")


@app.command()
def revoke(name: Name, tokens: TokensOption = DEFAULT_FILE, config: ConfigOption = None) -> None:
    """Revoke a token: its next request is refused and its streams end."""
    from visage.web.tokens import TokenStore  # noqa: PLC0415

    if not TokenStore(_file(tokens, config)).revoke(name):
        raise typer.BadParameter(f"there is no token named {name!r}")
    print(f"{name}: revoked")


def _file(tokens: Path, config: Path | None) -> Path:
    return expand_home(tokens) if config is None else read_config(config).web.token_file
