"""`download`: a file from the web into the working directory."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit


def download(url: str) -> None:
    """Download `url` to the working directory under its own name, unless a file of the same size is there.

    Raises:
        httpx.HTTPError: it could not be had; a file that was there is still there.
    """
    import httpx

    file = Path(Path(urlsplit(url).path).name)
    with httpx.stream("GET", url, follow_redirects=True) as response:
        response.raise_for_status()
        size = int(response.headers.get("Content-Length", -1))
        if file.exists() and file.stat().st_size == size:
            return
        print(f"Downloading '{file}'...")
        part = file.with_name(f"{file.name}.part")
        with part.open("wb") as out:
            for piece in response.iter_bytes():
                out.write(piece)
    part.replace(file)
