"""The Debian package as a file; tests/end_to_end/test_deb.py installs it."""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
EPOCH = "1767225600"

pytestmark = pytest.mark.skipif(
    shutil.which("dpkg-deb") is None, reason="dpkg-deb is not installed: not a Debian system"
)


def output(*words):
    return subprocess.run([str(word) for word in words], capture_output=True, check=True).stdout


@pytest.fixture
def package(builder, tmp_path):
    return builder("build_deb.py", "--output", tmp_path / "dist", SOURCE_DATE_EPOCH=EPOCH)


def test_two_builds_are_the_same_bytes(builder, package, tmp_path):
    again = builder("build_deb.py", "--output", tmp_path / "again", SOURCE_DATE_EPOCH=EPOCH)
    assert again.name == package.name
    assert again.read_bytes() == package.read_bytes()
    later = builder("build_deb.py", "--output", tmp_path / "later", SOURCE_DATE_EPOCH="1767225601")
    assert later.read_bytes() != package.read_bytes()


def test_the_tree(package, tmp_path):
    lines = output("dpkg-deb", "--contents", package).decode().splitlines()
    owners = {line.split()[1] for line in lines}
    assert owners == {"root/root"}
    modes = {line.split()[0] for line in lines}
    assert modes == {"drwxr-xr-x", "-rw-r--r--", "-rwxr-xr-x"}
    tree = tmp_path / "tree"
    output("dpkg-deb", "--extract", package, tree)
    program = tree / "usr/lib/thongmang-agent"
    # The agent alone: nothing of the collector lies idle on ten thousand terminals.
    assert {path.name for path in program.iterdir()} == {"__main__.py", "agent"}
    assert (program / "agent/locale/vi/LC_MESSAGES/agent.mo").exists()
    assert (program / "agent/wire/catalogue.py").read_bytes() == (ROOT / "agent/wire/catalogue.py").read_bytes()
    assert not list(tree.rglob("*.pyc"))
    for name in (
        "usr/bin/thongmang-agent",
        "usr/share/man/man1/thongmang-agent.1.gz",
        "usr/share/doc/thongmang-agent/copyright",
        "usr/share/doc/thongmang-agent/install_agent.md",
        "lib/systemd/system/thongmang-agent.service",
        "lib/systemd/system/thongmang-agent-privileged.service",
        "lib/systemd/system/thongmang-agent-privileged.timer",
        "lib/systemd/system/thongmang-agent.service.d/backoff.conf",
    ):
        assert (tree / name).is_file(), name


def test_control(package, tmp_path):
    fields = output("dpkg-deb", "--field", package).decode()
    assert "Depends: python3 (>= 3.8)" in fields
    assert "Recommends: python3-psutil, python3-icmplib" in fields
    assert "Suggests: smartmontools" in fields
    assert "Architecture: all" in fields
    output("dpkg-deb", "--control", package, tmp_path / "control")
    output("dpkg-deb", "--extract", package, tmp_path / "tree")
    conffiles = (tmp_path / "control/conffiles").read_text().split()
    in_etc = [
        "/" + str(path.relative_to(tmp_path / "tree")) for path in (tmp_path / "tree/etc").rglob("*") if path.is_file()
    ]
    assert conffiles == in_etc
    for line in (tmp_path / "control/md5sums").read_text().splitlines():
        digest, name = line.split("  ", 1)
        assert hashlib.md5((tmp_path / "tree" / name).read_bytes()).hexdigest() == digest
    for name in ("postinst", "prerm", "postrm"):
        output("sh", "-n", tmp_path / "control" / name)
    output("sh", "-n", tmp_path / "tree/usr/bin/thongmang-agent")


def test_pre_releases_come_before_the_release(builder, tmp_path):
    early = builder("build_deb.py", "--output", tmp_path, "--version", "1.2.0rc1")
    assert early.name == "thongmang-agent_1.2.0~rc1_all.deb"
    done = subprocess.run(["dpkg", "--compare-versions", "1.2.0~rc1", "lt", "1.2.0"], check=False)
    assert done.returncode == 0
    refused = builder("build_deb.py", "--output", tmp_path, "--version", "new one", refused=True)
    assert "--version: expected digits" in refused
    refused = builder("build_deb.py", "--output", tmp_path, refused=True, SOURCE_DATE_EPOCH="yesterday")
    assert "SOURCE_DATE_EPOCH: expected whole seconds" in refused


def test_the_units_start_what_the_package_holds():
    control = (ROOT / "deploy/agent/debian/postinst").read_text(encoding="utf-8")
    for path in (ROOT / "deploy/agent/systemd").glob("*.timer"):
        assert path.name in control
    for path in (ROOT / "deploy/agent/systemd").glob("*.service"):
        text = path.read_text(encoding="utf-8")
        assert "PYTHONPATH=/usr/lib/thongmang-agent" in text
        assert re.search(r"^WorkingDirectory=/usr/lib/thongmang-agent$", text, re.MULTILINE)
