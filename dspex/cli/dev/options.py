"""The options of ``dspex dev``, and the folder that follows from them."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class DevOptions:
    """What ``dspex dev`` is started with; None: the default.

    Args:
        imports: Modules whose code runs may name.
        state: The folder where the server keeps its runs.
        port: The server's port.
        ui_port: The Web UI's port.
        ip: The address that both listen on.
        task_queue: The worker's task queue.
        store: URL of the store.
    """

    imports: list[str] = field(default_factory=list)
    state: Path | None = None
    port: int = 7233
    ui_port: int | None = None
    ip: str = "127.0.0.1"
    task_queue: str | None = None
    store: str | None = None

    def folder(self) -> Path:
        """Where the server keeps its state."""
        if self.state is not None:
            return self.state
        import platformdirs

        return Path(platformdirs.user_data_dir("dspex", appauthor=False)) / "temporal"
