"""Builds dist/thongmang-agent_VERSION_all.deb with dpkg-deb alone; the same tree gives the same bytes.

python deploy/agent/build_deb.py [--version VERSION] [--output FOLDER]
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import os
import re
import shutil
import subprocess  # noqa: TID251  # a builder's, not the agent's
import tempfile
from pathlib import Path

from staging import HERE, ROOT, agent_files, agent_version, source_time_seconds

PACKAGE = "thongmang-agent"
MAINTAINER_VARIABLE = "THONGMANG_MAINTAINER"

_NOBODY = "Thông Mạng <root@localhost>"
_PROGRAM = "usr/lib/thongmang-agent"
_UNITS = "lib/systemd/system"
_DOCS = f"usr/share/doc/{PACKAGE}"
_KIB = 1024
_FILE, _PROGRAM_FILE = 0o644, 0o755
_PRE_RELEASE = re.compile(r"\.?(a|b|rc|dev)(?=\d)")
_VERSION = re.compile(r"[0-9][0-9A-Za-z.+~]*")


def debian_version(version: str) -> str:
    """A version as Debian orders it: 1.0rc1 and 1.0.dev2 come before 1.0.

    Raises:
        SystemExit: it is no version.
    """
    written = _PRE_RELEASE.sub(r"~\1", version)
    if _VERSION.fullmatch(written) is None:
        raise SystemExit(f"--version: expected digits, letters, '.', '+' and '~', found {version!r}")
    return written


def build(version: str, output: Path) -> Path:
    """Writes the package into `output`; its path.

    Args:
        version: of the package.
        output: folder, made if it is not there.

    Raises:
        SystemExit: dpkg-deb is missing, or fails.
    """
    program = shutil.which("dpkg-deb")
    if program is None:
        raise SystemExit("dpkg-deb is missing: build on Debian or Ubuntu (package dpkg)")
    output.mkdir(parents=True, exist_ok=True)
    target = output / f"{PACKAGE}_{version}_all.deb"
    time_seconds = source_time_seconds()
    with tempfile.TemporaryDirectory() as made:
        tree = Path(made) / "tree"
        _write_tree(tree, _contents(), version)
        for path in [tree, *tree.rglob("*")]:
            os.utime(path, (time_seconds, time_seconds))
        # One thread: how many there are changes the compressed bytes.
        environment = {**os.environ, "SOURCE_DATE_EPOCH": str(time_seconds), "DPKG_DEB_THREADS_MAX": "1"}
        words = [program, "--root-owner-group", "-Zxz", "--build", str(tree), str(target)]
        done = subprocess.run(words, env=environment, capture_output=True, text=True, check=False)  # noqa: S603  # ours
    if done.returncode != 0:
        raise SystemExit(f"dpkg-deb: {done.stderr.strip()}")
    return target


def _contents() -> dict[str, tuple[int, bytes]]:
    """Path in the package -> (mode, content)."""
    debian, units = HERE / "debian", HERE / "systemd"
    table = {f"{_PROGRAM}/{name}": (_FILE, content) for name, content in agent_files()}
    table[f"{_PROGRAM}/__main__.py"] = (_FILE, (debian / "__main__.py").read_bytes())
    table["usr/bin/thongmang-agent"] = (_PROGRAM_FILE, (debian / "thongmang-agent").read_bytes())
    table["etc/default/thongmang-agent"] = (_FILE, (debian / "default").read_bytes())
    for unit in ("thongmang-agent.service", "thongmang-agent-privileged.service", "thongmang-agent-privileged.timer"):
        table[f"{_UNITS}/{unit}"] = (_FILE, (units / unit).read_bytes())
    table[f"{_UNITS}/thongmang-agent.service.d/backoff.conf"] = (_FILE, (units / "backoff.conf").read_bytes())
    table["usr/share/man/man1/thongmang-agent.1.gz"] = (_FILE, _packed(debian / "thongmang-agent.1"))
    table[f"{_DOCS}/copyright"] = (_FILE, (debian / "copyright").read_bytes())
    table[f"{_DOCS}/changelog.gz"] = (_FILE, _packed(ROOT / "CHANGELOG.md"))
    for name in ("agent.md", "install_agent.md"):
        table[f"{_DOCS}/{name}"] = (_FILE, (ROOT / "docs" / name).read_bytes())
    return table


def _packed(path: Path) -> bytes:
    return gzip.compress(path.read_bytes(), mtime=0)


def _write_tree(tree: Path, contents: dict[str, tuple[int, bytes]], version: str) -> None:
    for name, (mode, content) in sorted(contents.items()):
        _write(tree / name, content, mode)
    size_kib = sum(-(-len(content) // _KIB) for _mode, content in contents.values())
    control = (HERE / "debian" / "control").read_text(encoding="utf-8")
    for mark, value in (
        ("@VERSION@", version),
        ("@MAINTAINER@", os.environ.get(MAINTAINER_VARIABLE, _NOBODY)),
        ("@INSTALLED_SIZE@", str(size_kib)),
    ):
        control = control.replace(mark, value)
    sums = "".join(
        f"{hashlib.md5(content, usedforsecurity=False).hexdigest()}  {name}\n"
        for name, (_mode, content) in sorted(contents.items())
        if not name.startswith("etc/")
    )
    _write(tree / "DEBIAN" / "control", control.encode(), _FILE)
    _write(tree / "DEBIAN" / "md5sums", sums.encode(), _FILE)
    for name in ("conffiles", "triggers"):
        _write(tree / "DEBIAN" / name, (HERE / "debian" / name).read_bytes(), _FILE)
    for name in ("postinst", "prerm", "postrm"):
        _write(tree / "DEBIAN" / name, (HERE / "debian" / name).read_bytes(), _PROGRAM_FILE)
    for path in [tree, *tree.rglob("*")]:
        if path.is_dir():
            path.chmod(_PROGRAM_FILE)


def _write(path: Path, content: bytes, mode: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    path.chmod(mode)


def main() -> None:
    """Reads the command line and builds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--version", default=agent_version(), help="version of the package, by default the agent's")
    parser.add_argument("--output", type=Path, default=ROOT / "dist", help="folder, by default dist/")
    options = parser.parse_args()
    print(build(debian_version(options.version), options.output))  # noqa: T201  # what a build script is for


if __name__ == "__main__":
    main()
