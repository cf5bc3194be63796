"""The project keeps what it says of itself."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
import zipfile
from importlib.metadata import packages_distributions
from pathlib import Path

import msgspec
import pytest

from collector.settings import Settings, load_settings

ROOT = Path(__file__).parents[1]
PACKAGES = {"agent", "collector", "alerts", "inventory", "dashboards"}


def test_every_setting_is_documented_with_its_default():
    rows = dict(re.findall(r"^\| `([a-z_.]+)` \| `(.*?)` \|", (ROOT / "docs/settings.md").read_text(), re.MULTILINE))
    actual = {}
    for section, value in msgspec.structs.asdict(Settings()).items():
        for key, default in msgspec.structs.asdict(value).items():
            actual[f"{section}.{key}"] = default
    documented = {
        key: tomllib.loads(f"x = {text}")["x"]
        for key, text in rows.items()
        if key.split(".")[0] in Settings.__struct_fields__
    }
    assert documented == {key: list(value) if isinstance(value, tuple) else value for key, value in actual.items()}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[server]\nprot = 1", "prot"),
        ("[server]\nport = 70000", "1 to 65535"),
        ("[server]\nport = 'x'", r"server.port"),
        ("[store]\nkind = 'mysql'", r"store.kind"),
        ("[limits]\nbody_bytes = 0", "more than 0"),
        ("[web]\nrequire_login = false\n[server]\nhost = '0.0.0.0'", "loopback"),
        ("[[agents.targets]]\nname='a'\naddress='1'\n[[agents.targets]]\nname='a'\naddress='2'", "same name"),
        ("[[agents.targets]]\nname='a'\naddress='1'\nservice='https'", "a: service: expected a port"),
        ("[[agents.targets]]\nname='a'\naddress='1'\nport=1\nservice='smtp'", "service"),
        ("[[agents.targets]]\nname='a'\naddress='1'\nport=1\nrole='core'", "role"),
        ("[[agents.targets]]\nname='a'\naddress='1'\nport=1\nservice='http'\npath='/a b'", "a: path: expected /path"),
        ("[[agents.targets]]\nname='a'\naddress='1'\nport=1\nservice='tls'\npath='/a'", "a: path: expected service"),
        ("[[agents.targets]]\nname='a'\naddress='1'\nport=1\nservice='tls'\nverify=true", "a: verify: expected"),
        ("x", "TOML"),
    ],
)
def test_a_bad_setting_names_file_key_and_what_was_expected(tmp_path, text, words):
    from collector.errors import SettingsError

    path = tmp_path / "collector.toml"
    path.write_text(text)
    with pytest.raises(SettingsError, match=words) as caught:
        load_settings(path)
    assert str(path) in str(caught.value)


def test_no_other_distribution_owns_our_package_names():
    owners = packages_distributions()
    for name in PACKAGES:
        assert set(owners.get(name, ["thongmang"])) == {"thongmang"}, owners.get(name)


def test_the_map_in_contributing_is_the_tree():
    named = re.findall(
        r"^\| `([a-z_./]+)/`(?:, `([a-z_./]+)/`)? \|", (ROOT / "CONTRIBUTING.md").read_text(), re.MULTILINE
    )
    for folder in (name for pair in named for name in pair if name):
        assert (ROOT / folder).is_dir(), folder
    tops = {path.name for path in ROOT.iterdir() if path.is_dir() and not path.name.startswith(".")}
    made = {"docs", "benchmarks", "var", "dist", "build", "test-results"}
    assert tops - made <= {name.split("/")[0] for name in (name for pair in named for name in pair if name)}


def test_links_in_the_docs_lead_somewhere():
    pages = [ROOT / name for name in ("README.md", "README.vi.md", "CONTRIBUTING.md")] + sorted(
        (ROOT / "docs").rglob("*.md")
    )
    for page in pages:
        for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_the_agent_brings_none_of_the_collectors_libraries():
    code = (
        "import sys, agent.cli, agent.runner, agent.uplink, agent.spool, agent.enrolment;"
        "print(sorted({name.split('.')[0] for name in sys.modules} & "
        "{'pydantic', 'fastapi', 'sqlalchemy', 'msgspec', 'collector', 'alerts', 'inventory', 'asyncio'}))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_forbidden_part_of_the_agent_is_everything_but_the_wire_contract():
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    (forbidden,) = [one["forbidden_modules"] for one in contracts if "wire contract only" in one["name"]]
    modules = {
        path.stem for path in (ROOT / "agent").iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()
    }
    assert set(forbidden) == {f"agent.{name}" for name in modules - {"__init__", "__main__", "wire"}}


def test_the_wheel_carries_everything_the_product_reads(tmp_path):
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    (wheel,) = tmp_path.glob("thongmang-*.whl")
    unpacked = tmp_path / "unpacked"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(unpacked)
    sources = [path.relative_to(ROOT) for package in PACKAGES for path in (ROOT / package).rglob("*") if path.is_file()]
    kept = [path for path in sources if "__pycache__" not in path.parts]
    missing = [path for path in kept if not (unpacked / path).exists()]
    assert missing == []
    # From the wheel alone, away from the checkout.
    path = f"import sys; sys.path.insert(0, {str(unpacked)!r})"
    code = f"{path}; from agent.__main__ import main; sys.exit(main(['alerts', 'test']))"
    done = subprocess.run([sys.executable, "-I", "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
