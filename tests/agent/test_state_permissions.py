"""The state folder is the agent's alone."""

import os
import stat
import sys

import pytest

from agent.config import Identity, save_identity
from agent.errors import ConfigurationError
from agent.state_permissions import secure, secure_windows, windows_commands


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows keeps rights another way")
def test_what_others_can_read_is_closed_and_said(tmp_path):
    save_identity(tmp_path, Identity("https://h", "d", "t"))
    (tmp_path / "spool.sqlite").write_bytes(b"")
    (tmp_path / "privileged.json").write_text("{}")
    for path, wide in ((tmp_path, 0o755), (tmp_path / "identity.json", 0o644), (tmp_path / "spool.sqlite", 0o660)):
        path.chmod(wide)
    (tmp_path / "privileged.json").chmod(0o644)
    said = [message.parameters["path"] for message in secure(tmp_path)]
    assert said == [str(tmp_path), str(tmp_path / "identity.json"), str(tmp_path / "spool.sqlite")]
    assert [mode(tmp_path / name) for name in ("", "identity.json", "spool.sqlite")] == [0o700, 0o600, 0o600]
    # What root leaves there for the agent is root's.
    assert mode(tmp_path / "privileged.json") == 0o644
    assert secure(tmp_path) == []


def test_a_folder_that_is_not_there(tmp_path):
    if sys.platform != "win32":
        assert secure(tmp_path / "missing") == []


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="giving a file away takes root")
def test_an_identity_that_cannot_be_closed_is_refused(tmp_path):
    save_identity(tmp_path, Identity("https://h", "d", "t"))
    (tmp_path / "identity.json").chmod(0o644)
    tmp_path.chmod(0o755)
    child = os.fork()
    if child == 0:
        status = 3
        try:
            os.setgid(65534)
            os.setuid(65534)
            secure(tmp_path)
        except ConfigurationError as error:
            status = 0 if "token" in str(error) else 2
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0 if hasattr(os, "waitstatus_to_exitcode") else True


class Recorded:
    """Stands for the start of programs on Windows: what was started, and how each ended."""

    def __init__(self, *endings):
        self.words, self._endings = [], list(endings)

    def __call__(self, words, limit_seconds):
        assert limit_seconds > 0
        self.words.append(list(words))
        ending = self._endings.pop(0)
        if isinstance(ending, OSError):
            raise ending
        return ending, b""


def test_the_commands_for_windows(monkeypatch):
    """As Microsoft documents icacls: rights from above end, the system and the administrators get all, by number."""
    monkeypatch.setenv("SYSTEMROOT", r"C:\Windows")
    folder = r"C:\ProgramData\Thông Mạng"
    run = Recorded(0, 0)
    assert secure_windows(folder, run) == []
    assert run.words == [
        [
            r"C:\Windows\System32\icacls.exe",
            folder,
            "/inheritance:r",
            "/grant:r",
            "*S-1-5-18:(OI)(CI)F",
            "*S-1-5-32-544:(OI)(CI)F",
            "/Q",
        ],
        [r"C:\Windows\System32\icacls.exe", folder + r"\*", "/reset", "/T", "/C", "/Q"],
    ]
    assert run.words == windows_commands(folder, r"C:\Windows")


@pytest.mark.parametrize("ending", [5, FileNotFoundError(2, "icacls.exe")])
def test_rights_that_cannot_be_set_on_windows(ending):
    with pytest.raises(ConfigurationError, match="others can read it"):
        secure_windows(r"C:\x", Recorded(ending, 0))


def test_an_empty_folder_on_windows_has_nothing_to_reset():
    assert secure_windows(r"C:\x", Recorded(0, 2)) == []
