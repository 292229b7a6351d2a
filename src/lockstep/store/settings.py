"""What an installation decides: from the environment (LOCKSTEP_…) and one optional file of the same lines."""

import os
from pathlib import Path

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from lockstep.store import server


def default_home() -> Path:
    """Where an installation keeps its files: a person's own data folder, or /var/lib/lockstep for root.

    Root gets a folder of the system because PostgreSQL runs as another user, who must be able to reach it
    without root's own folder being opened to others.
    """
    if os.geteuid() == 0:
        return Path("/var/lib/lockstep")
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "lockstep"


class Settings(BaseSettings):
    """The settings of this process."""

    model_config = SettingsConfigDict(env_prefix="LOCKSTEP_", extra="ignore", frozen=True)

    database_url: SecretStr | None = None
    """A PostgreSQL 15 to 18; without it the embedded server is used (demonstration and development only)."""

    home: Path = Field(default_factory=default_home)
    """Where the embedded server keeps its files."""

    environment: str = "demonstration"
    """The name of this installation, shown wherever a mix-up would do harm."""

    pool_max: int = Field(default=10, ge=1, le=200)
    """Connections that one process holds at most."""

    lock_timeout_ms: int = Field(default=200, ge=1)
    """How long a statement waits for a lock before it gives way and is tried again."""

    def url(self) -> str:
        """The database's address; starts or joins the embedded server when none was set."""
        if self.database_url is not None:
            return self.database_url.get_secret_value()
        return server.embedded_url(self.home / "server")


def read_settings() -> Settings:
    """The settings of the environment, over those of the file that LOCKSTEP_SETTINGS_FILE names."""
    # The mypy plug-in of pydantic would know this argument; it is documented for the constructor.
    return Settings(_env_file=os.environ.get("LOCKSTEP_SETTINGS_FILE"))  # type: ignore[call-arg]
