"""The Windows package as a file, from an interpreter and wheels made up here; nothing of Windows runs."""

from __future__ import annotations

import hashlib
import io
import re
import struct
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MACHINES = {"amd64": 0x8664, "win32": 0x014C}
EPOCH = "1767225600"


def windows_program(machine):
    """The first bytes of a program for Windows."""
    return b"MZ".ljust(0x3C, b"\0") + struct.pack("<I", 0x80) + bytes(0x40) + b"PE\0\0" + struct.pack("<H", machine)


def zipped(files):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return packed.getvalue()


@pytest.fixture
def parts(tmp_path):
    """Words of the builder for an embeddable Python and wheels; the Python's files may be changed."""

    def make(arch="amd64", *, version="38", leave_out=(), machine=None):
        names = ["_ctypes.pyd", "_socket.pyd", "_sqlite3.pyd", "_ssl.pyd", "sqlite3.dll", "vcruntime140.dll"]
        files = dict.fromkeys([*names, f"python{version}.dll", f"python{version}.zip", "LICENSE.txt"], b"x")
        files["python.exe"] = windows_program(machine or MACHINES[arch])
        files[f"python{version}._pth"] = b"python38.zip\r\n.\r\n\r\n# Uncomment to run site.main()\r\n#import site\r\n"
        python = tmp_path / f"python-{arch}.zip"
        python.write_bytes(zipped({name: content for name, content in files.items() if name not in leave_out}))
        wheels = tmp_path / "wheels"
        wheels.mkdir(exist_ok=True)
        wheel = zipped({"psutil/__init__.py": b"", "psutil/tests/__init__.py": b"", "psutil/_psutil_windows.pyd": b"x"})
        (wheels / "psutil-7.2.2-cp37-abi3-win_amd64.whl").write_bytes(wheel)
        lock = tmp_path / "lock.txt"
        lock.write_text(f"psutil==7.2.2 \\\n    --hash=sha256:{hashlib.sha256(wheel).hexdigest()}\n")
        words = ["--arch", arch, "--wheels", wheels, "--lock", lock]
        return words, ["--python-embed", python, "--python-sha256", hashlib.sha256(python.read_bytes()).hexdigest()]

    return make


@pytest.fixture
def build(builder, tmp_path):
    def run(*words, output="dist", **options):
        words = [item for part in words for item in (part if isinstance(part, list) else [part])]
        return builder("build_windows.py", *words, "--output", tmp_path / output, SOURCE_DATE_EPOCH=EPOCH, **options)

    return run


@pytest.fixture
def contents(build, parts):
    """Path in the package -> content."""
    with zipfile.ZipFile(build(*parts())) as archive:
        return {name.split("/", 1)[1]: archive.read(name) for name in archive.namelist()}


@pytest.mark.parametrize("arch", sorted(MACHINES))
def test_two_builds_are_the_same_bytes(build, parts, arch):
    package = build(*parts(arch))
    assert re.fullmatch(rf"thongmang-agent-[0-9.]+-windows-{arch}\.zip", package.name)
    assert build(*parts(arch), output="again").read_bytes() == package.read_bytes()
    with zipfile.ZipFile(package) as archive:
        assert archive.namelist() == sorted(archive.namelist())
        assert {name.split("/")[0] for name in archive.namelist()} == {package.name[: -len(".zip")]}


def test_everything_is_there_and_nothing_else(contents):
    for name in ("install.cmd", "install.ps1", "uninstall.cmd", "uninstall.ps1", "HUONG-DAN.txt"):
        assert name in contents
    # Nothing of the machine's own Pythons is looked at.
    assert contents["program/python/python38._pth"] == b"python38.zip\r\n.\r\n..\\lib\r\n"
    assert contents["program/lib/agent/service/windows.py"] == (ROOT / "agent/service/windows.py").read_bytes()
    assert "program/lib/agent/locale/vi/LC_MESSAGES/agent.mo" in contents
    assert "program/lib/psutil/_psutil_windows.pyd" in contents
    assert not [name for name in contents if "/tests/" in name or "__pycache__" in name or name.endswith(".po")]
    assert {name.split("/")[2] for name in contents if name.startswith("program/lib/")} == {"agent", "psutil"}


def test_texts_are_as_windows_reads_them(contents):
    texts = {name: content for name, content in contents.items() if name.endswith((".cmd", ".ps1", ".xml", ".txt"))}
    for name, content in texts.items():
        if "dist-info" in name or name.startswith("program/python/"):
            continue
        assert b"\n" not in content.replace(b"\r\n", b""), name
        if name.endswith((".ps1", ".txt")):
            # Without the mark Windows PowerShell, and Windows 7's Notepad, take the machine's old code page.
            assert content.startswith(b"\xef\xbb\xbf"), name
            assert not content[3:].isascii(), name
        elif name.endswith(".cmd"):
            assert content.isascii(), name
        content.decode("utf-8")
    assert len(texts) >= 8


def test_the_version_tells_contents_apart(build, parts):
    def version(*words, output):
        with zipfile.ZipFile(build(*words, output=output)) as archive:
            return next(archive.read(name) for name in archive.namelist() if name.endswith("program/VERSION")).decode()

    words, python = parts()
    whole, bare = version(words, python, output="a"), version(words, ["--without-python"], output="b")
    assert whole.split()[:2] == bare.split()[:2]
    assert whole.split()[2] != bare.split()[2]


def test_a_package_without_python_says_so_in_its_name(build, parts):
    package = build(parts()[0], ["--without-python"])
    assert package.name.endswith("-without-python.zip")
    with zipfile.ZipFile(package) as archive:
        assert not [name for name in archive.namelist() if "/program/python/" in name]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"machine": 0x014C}, "python.exe: expected machine 0x8664 (amd64), found 0x014c"),
        ({"machine": 0x1}, "found 0x0001"),
        ({"version": "37"}, "expected Python 3.8 or newer, found 3.7"),
        ({"leave_out": ("_ssl.pyd", "sqlite3.dll")}, "missing: _ssl.pyd, sqlite3.dll"),
        ({"leave_out": ("python38._pth",)}, "found no python3*._pth"),
    ],
)
def test_a_python_that_does_not_fit(build, parts, change, said):
    assert said in build(*parts(**change), refused=True)


def test_what_is_not_the_file_it_should_be(build, parts):
    words, python = parts()
    assert "--python-sha256: expected " in build(words, [*python[:3], "0" * 64], refused=True)
    assert "--python-sha256 is missing" in build(words, python[:2], refused=True)
    assert "say either" in build(words, refused=True)
    assert "say either" in build(words, python, ["--without-python"], refused=True)
    wheel = next(words[3].glob("*.whl"))
    genuine = wheel.read_bytes()
    wheel.write_bytes(genuine + b"\0")
    assert "is not in" in build(words, python, refused=True)
    wheel.unlink()
    assert "no wheel for 1 of the hashes" in build(words, python, refused=True)


@pytest.mark.parametrize("arch", sorted(MACHINES))
def test_the_locks_hold_what_still_runs_on_windows_7(arch):
    lock = (ROOT / "locks" / f"agent-windows-{arch}.txt").read_text(encoding="utf-8")
    version = tuple(map(int, re.search(r"^psutil==([\d.]+) ", lock, re.MULTILINE).group(1).split(".")))
    assert version <= {"amd64": (7, 2, 2), "win32": (7, 1, 1)}[arch]
    pinned = re.findall(r"^(\w+)==", lock, re.MULTILINE)
    assert len(re.findall(r"--hash=sha256:[0-9a-f]{64}", lock)) == len(pinned) == 2
    # One wheel for both, so the same bytes.
    shared = (ROOT / "locks" / "agent.txt").read_text(encoding="utf-8")
    assert re.search(r"icmplib==\S+ \\\n\s+(--hash=\S+)", lock).group(1) in shared
