"""Makes docs/demo.png, the picture of the README: the top of a page that `servemark demo` wrote.

    python scripts/readme_picture.py            # runs the demo, about a minute
    python scripts/readme_picture.py PAGE       # of a page that is there

Needs Chromium. The page is opened with networking denied and cut below its first charts.
"""

from __future__ import annotations

import re
import shutil
import struct
import subprocess
import sys
import tempfile
import zlib
from collections import Counter
from math import dist
from pathlib import Path

PICTURE = Path(__file__).parents[1] / "docs" / "demo.png"
WIDTH_PX = 1200
MOST_BYTES = 200_000
MARGIN_PX = 24
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
PROBE = """<script>
addEventListener("load", () => setTimeout(() => {
  document.body.dataset.end = document.querySelector("section.throughput").getBoundingClientRect().bottom;
}, 2000));
</script></body>"""


def main(arguments: list[str]) -> int:
    """Draw the picture; returns the exit code."""
    with tempfile.TemporaryDirectory() as folder:
        page = Path(arguments[0]) if arguments else demo_page(Path(folder))
        size_bytes = draw(page.read_text("utf-8"), Path(folder), PICTURE)
    print(PICTURE)
    if size_bytes > MOST_BYTES:
        print(f"{size_bytes:,} bytes, more than {MOST_BYTES:,}", file=sys.stderr)
        return 1
    return 0


def demo_page(folder: Path) -> Path:
    """A fresh page of the demo."""
    subprocess.run([sys.executable, "-m", "servemark", "demo"], cwd=folder, check=True)
    return folder / "servemark-demo.html"


def draw(page: str, folder: Path, target: Path) -> int:
    """Draw the top of the page; returns the picture's size in bytes."""
    file = folder / "page.html"
    file.write_text(PROBE.join(page.rsplit("</body>", 1)), "utf-8")
    dom = browse(file, folder, "--dump-dom", f"--window-size={WIDTH_PX},2000")
    end = re.search(r'data-end="([\d.]+)"', dom)
    if end is None:
        raise SystemExit("the page has no section of charts")
    height = round(float(end.group(1))) + MARGIN_PX
    shot = folder / "page.png"
    size = f"--window-size={WIDTH_PX},{height}"
    browse(file, folder, f"--screenshot={shot}", "--hide-scrollbars", size)
    target.write_bytes(with_palette(shot.read_bytes()))
    return target.stat().st_size


def with_palette(png: bytes) -> bytes:
    """The same 8-bit RGB picture in its 256 commonest shades, a third of the size.

    Chunks and filters: PNG specification, third edition, sections 5 and 9.
    """
    width, height, depth, kind = struct.unpack(">IIBB", png[16:26])
    if (depth, kind) != (8, 2):
        raise SystemExit(f"expected a picture in 8-bit RGB, found depth {depth}, colour type {kind}")
    rows = pixel_rows(png, width, height)
    commonest = [shade for shade, _ in Counter(pixel for row in rows for pixel in row).most_common(256)]
    places = {shade: i for i, shade in enumerate(commonest)}
    for shade in {pixel for row in rows for pixel in row} - places.keys():
        places[shade] = places[min(commonest, key=lambda near: dist(near, shade))]
    lines = b"".join(b"\0" + bytes(places[pixel] for pixel in row) for row in rows)
    head = struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)
    chunks = {b"IHDR": head, b"PLTE": b"".join(commonest), b"IDAT": zlib.compress(lines, 9), b"IEND": b""}
    return png[:8] + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in chunks.items()
    )


def pixel_rows(png: bytes, width: int, height: int) -> list[list[bytes]]:
    """The pixels of an 8-bit RGB picture, row by row, three bytes each."""
    packed, at = b"", 8
    while at < len(png):
        (length,) = struct.unpack(">I", png[at : at + 4])
        packed += png[at + 8 : at + 8 + length] if png[at + 4 : at + 8] == b"IDAT" else b""
        at += length + 12
    raw, stride = zlib.decompress(packed), 3 * width + 1
    rows: list[list[bytes]] = []
    above = bytes(stride - 1)
    for y in range(height):
        above = unfiltered(raw[y * stride], raw[y * stride + 1 : (y + 1) * stride], above)
        rows.append([above[i : i + 3] for i in range(0, len(above), 3)])
    return rows


def unfiltered(kind: int, row: bytes, above: bytes) -> bytes:
    """One row of RGB bytes, its filter taken off."""
    found = bytearray(row)
    for i, up in enumerate(above):
        left, corner = (found[i - 3], above[i - 3]) if i >= 3 else (0, 0)
        guesses = sorted((left, up, corner), key=lambda each: abs(left + up - corner - each))
        found[i] = (row[i] + (0, left, up, (left + up) // 2, guesses[0])[kind]) & 255
    return bytes(found)


def browse(file: Path, folder: Path, *options: str) -> str:
    """Open a file in headless Chromium; returns what it wrote."""
    binary = next(filter(None, map(shutil.which, BROWSERS)), None)
    if binary is None:
        raise SystemExit(f"needs one of {', '.join(BROWSERS)}")
    done = subprocess.run(
        [
            binary, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-sync",
            "--disable-background-networking", "--disable-component-update", "--disable-dev-shm-usage",
            "--host-resolver-rules=MAP * ~NOTFOUND", "--proxy-server=127.0.0.1:9",
            f"--user-data-dir={folder / 'profile'}", "--run-all-compositor-stages-before-draw",
            "--virtual-time-budget=8000", *options, file.as_uri(),
        ],
        capture_output=True, timeout=120, check=True,
    )  # fmt: skip
    return done.stdout.decode()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
