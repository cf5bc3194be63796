"""Builds dist/thongmang-agent-VERSION-windows-ARCH.zip: the agent, its wheels and its installer, needing no network.

python deploy/agent/build_windows.py --arch amd64 --python-embed python-3.8.10-embed-amd64.zip --python-sha256 HEX
python deploy/agent/build_windows.py --arch amd64 --without-python

The embeddable Python comes from who builds (python.org), with the sum that they have checked; the wheels come from the
package index by their hashes in locks/, or from --wheels. The same inputs give the same bytes.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import re
import struct
import subprocess  # noqa: TID251  # a builder's, not the agent's
import sys
import tempfile
import time
import zipfile
from pathlib import Path

from staging import HERE, ROOT, agent_files, agent_version, source_time_seconds

ARCHITECTURES = {"amd64": ("win_amd64", 0x8664), "win32": ("win32", 0x014C)}
OLDEST_PYTHON = 8

_INSTALLER = ("install.cmd", "install.ps1", "uninstall.cmd", "uninstall.ps1", "repair-task.xml", "privileged-task.xml")
_CRLF_ENDINGS = (".cmd", ".ps1", ".xml", ".txt")
# Windows PowerShell reads a script without this mark in the machine's old code page; so does Notepad of Windows 7.
_MARKED_ENDINGS = (".ps1", ".txt")
_MARK = b"\xef\xbb\xbf"
_NEEDED_OF_PYTHON = ("python.exe", "_ctypes.pyd", "_socket.pyd", "_sqlite3.pyd", "_ssl.pyd", "sqlite3.dll")
_LEFT_OUT_OF_WHEELS = re.compile(r"(^|/)(tests?|__pycache__)/|^[^/]+\.data/")
_HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")
_PTH = re.compile(r"python3(\d+)\._pth")
_PE_HEADER_OFFSET = 0x3C

Contents = dict[str, bytes]


def windows_text(name: str, content: bytes) -> bytes:
    """A text file as Windows wants it: CRLF, and a mark of UTF-8 where its reader looks for one."""
    if not name.endswith(_CRLF_ENDINGS):
        return content
    text = content.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    return _MARK + text if name.endswith(_MARKED_ENDINGS) else text


def machine_of(program: bytes) -> int:
    """The machine number in the header of a Windows program; 0 if it is none."""
    if len(program) < _PE_HEADER_OFFSET + 4 or not program.startswith(b"MZ"):
        return 0
    (offset,) = struct.unpack_from("<I", program, _PE_HEADER_OFFSET)
    if program[offset : offset + 4] != b"PE\0\0":
        return 0
    return int(struct.unpack_from("<H", program, offset + 4)[0])


def python_files(path: Path, sha256: str, arch: str) -> Contents:
    """The files of an embeddable Python, its search path set to the agent's folder and nothing else.

    Args:
        path: the zip of python.org.
        sha256: the sum that it must have.
        arch: key of `ARCHITECTURES`.

    Raises:
        SystemExit: it is another file, for another machine, too old or not whole.
    """
    raw = path.read_bytes()
    found = hashlib.sha256(raw).hexdigest()
    if found != sha256.strip().lower():
        raise SystemExit(f"{path}: --python-sha256: expected {sha256}, found {found}")
    with zipfile.ZipFile(io.BytesIO(raw)) as archive:
        files = {name: archive.read(name) for name in archive.namelist() if not name.endswith("/")}
    pth = next((name for name in files if _PTH.fullmatch(name)), None)
    if pth is None:
        raise SystemExit(f"{path}: expected an embeddable Python, found no python3*._pth")
    version = _PTH.fullmatch(pth)
    minor = int(version.group(1)) if version else 0
    if minor < OLDEST_PYTHON:
        raise SystemExit(f"{path}: expected Python 3.{OLDEST_PYTHON} or newer, found 3.{minor}")
    library = f"python3{minor}.zip"
    missing = [name for name in (*_NEEDED_OF_PYTHON, library, f"python3{minor}.dll") if name not in files]
    if missing:
        raise SystemExit(f"{path}: expected a whole embeddable Python, missing: {', '.join(missing)}")
    wanted = ARCHITECTURES[arch][1]
    machine = machine_of(files["python.exe"])
    if machine != wanted:
        raise SystemExit(f"{path}: python.exe: expected machine {wanted:#06x} ({arch}), found {machine:#06x}")
    # No "import site": nothing of the machine's own Pythons is looked at, and a start costs less.
    files[pth] = f"{library}\r\n.\r\n..\\lib\r\n".encode("ascii")
    return {f"python/{name}": content for name, content in files.items()}


def wheel_files(folder: Path, lock: Path) -> Contents:
    """What the wheels in a folder hold, each checked against the lock, without their tests.

    Raises:
        SystemExit: a wheel is not of the lock, or one of the lock is not there.
    """
    wanted = set(_HASH.findall(lock.read_text(encoding="utf-8")))
    files: Contents = {}
    for path in sorted(folder.glob("*.whl")):
        raw = path.read_bytes()
        digest = hashlib.sha256(raw).hexdigest()
        if digest not in wanted:
            raise SystemExit(f"{path}: sha256 {digest} is not in {lock}")
        wanted.discard(digest)
        with zipfile.ZipFile(io.BytesIO(raw)) as archive:
            for name in archive.namelist():
                if not name.endswith("/") and not _LEFT_OUT_OF_WHEELS.search(name):
                    files[f"lib/{name}"] = archive.read(name)
    if wanted:
        raise SystemExit(f"{folder}: no wheel for {len(wanted)} of the hashes in {lock}: {', '.join(sorted(wanted))}")
    return files


def download_wheels(arch: str, lock: Path, folder: Path) -> None:
    """Fetches the wheels of the lock from the package index.

    Raises:
        SystemExit: pip says no.
    """
    words = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", "download", "--no-deps"]
    words += ["--only-binary=:all:", "--platform", ARCHITECTURES[arch][0], "--python-version", f"3{OLDEST_PYTHON}"]
    words += ["--require-hashes", "--requirement", str(lock), "--dest", str(folder)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)  # noqa: S603  # words of our own
    if done.returncode != 0:
        raise SystemExit(f"pip download: {done.stderr.strip()}")


def package_contents(arch: str, python: Contents, wheels: Contents) -> Contents:
    """Path in the package -> content.

    Args:
        arch: key of `ARCHITECTURES`.
        python: files of the interpreter; none for a package that who installs completes.
        wheels: files of the libraries.
    """
    windows = HERE / "windows"
    program: Contents = {f"lib/{name}": content for name, content in agent_files()}
    program.update(wheels)
    program.update(python)
    name = "thongmang-agent.cmd"
    program[name] = windows_text(name, (windows / name).read_bytes())
    program["ARCHITECTURE"] = f"{arch}\r\n".encode("ascii")
    program["LICENSE"] = (ROOT / "LICENSE").read_bytes()
    # The installer compares this with what is there: another content under the same version is another version.
    digest = hashlib.sha256()
    for path, content in sorted(program.items()):
        digest.update(f"{path}\0{len(content)}\0".encode() + content)
    program["VERSION"] = f"{agent_version()} {arch} {digest.hexdigest()[:12]}\r\n".encode("ascii")
    contents = {f"program/{path}": content for path, content in program.items()}
    for name in (*_INSTALLER, "HUONG-DAN.txt"):
        contents[name] = windows_text(name, (windows / name).read_bytes())
    return contents


def write_zip(target: Path, folder: str, contents: Contents) -> None:
    """Writes a zip whose bytes depend on nothing but its contents and the source's time."""
    moment = time.gmtime(source_time_seconds())[:6]
    target.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for path, content in sorted(contents.items()):
            entry = zipfile.ZipInfo(f"{folder}/{path}", moment)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.create_system = 0
            archive.writestr(entry, content)


def main() -> None:
    """Reads the command line and builds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--arch", choices=sorted(ARCHITECTURES), required=True, help="of the terminals' Windows")
    parser.add_argument("--python-embed", type=Path, metavar="ZIP", help="embeddable Python of python.org, 3.8.10")
    parser.add_argument("--python-sha256", metavar="HEX", help="its SHA-256, as you have checked it")
    parser.add_argument("--without-python", action="store_true", help="leave it to program/python/ at the destination")
    parser.add_argument("--wheels", type=Path, metavar="FOLDER", help="wheels at hand; by default they are fetched")
    parser.add_argument("--lock", type=Path, metavar="FILE", help="by default locks/agent-windows-ARCH.txt")
    parser.add_argument("--output", type=Path, default=ROOT / "dist", metavar="FOLDER", help="by default dist/")
    options = parser.parse_args()
    if options.without_python == (options.python_embed is not None):
        parser.error("say either --python-embed ZIP with --python-sha256 HEX, or --without-python")
    if options.python_embed is not None and not options.python_sha256:
        parser.error("--python-embed: --python-sha256 is missing; check the file's signature at python.org first")
    lock = options.lock or ROOT / "locks" / f"agent-windows-{options.arch}.txt"
    python: Contents = {}
    if options.python_embed is not None:
        python = python_files(options.python_embed, options.python_sha256, options.arch)
    with tempfile.TemporaryDirectory() as made:
        folder = options.wheels or Path(made)
        if options.wheels is None:
            download_wheels(options.arch, lock, folder)
        wheels = wheel_files(folder, lock)
    name = f"thongmang-agent-{agent_version()}-windows-{options.arch}" + ("-without-python" if not python else "")
    target = options.output / f"{name}.zip"
    write_zip(target, name, package_contents(options.arch, python, wheels))
    print(target)  # noqa: T201  # what a build script is for


if __name__ == "__main__":
    main()
