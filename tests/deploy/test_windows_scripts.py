"""What can be said of the installer's scripts without Windows: their form, their words, and that they agree."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from agent.service.windows import SERVICE_NAME

FOLDER = Path(__file__).parents[2] / "deploy" / "agent" / "windows"
SCRIPTS = ("install.ps1", "uninstall.ps1")
TASKS = ("repair-task.xml", "privileged-task.xml")
NAMESPACE = {"task": "http://schemas.microsoft.com/windows/2004/02/mit/task"}

# Words that Windows 7's PowerShell 2.0 does not know.
NEWER_COMMANDS = re.findall(
    r"\S+",
    "Invoke-WebRequest Invoke-RestMethod ConvertFrom-Json ConvertTo-Json Expand-Archive Compress-Archive Get-FileHash "
    "Get-CimInstance Invoke-CimMethod Register-ScheduledTask Get-ScheduledTask New-ScheduledTask Unblock-File "
    "Remove-Service Test-NetConnection Get-NetAdapter Import-PowerShellDataFile Get-ComputerInfo New-TemporaryFile "
    "Set-Clipboard Resolve-DnsName Show-Command Get-ItemPropertyValue",
)
NEWER_SYNTAX = {
    r"\$PSScriptRoot": "3.0 outside of modules",
    r"\$PSItem\b": "3.0",
    r"\[ordered\]": "3.0",
    r"\[pscustomobject\]": "3.0",
    r"\s-(not)?in\s": "3.0",
    r"Get-Content[^\n]*-(Raw|Tail)\b": "3.0",
    r"Get-ChildItem[^\n]*-(File|Directory)\b": "3.0",
    r"Where-Object\s+[A-Za-z]": "3.0: comparison without a block",
    r"ForEach-Object\s+[A-Za-z]": "3.0: member without a block",
    r"\*>|[3-6]>": "3.0",
    r"\.(ForEach|Where)\(": "4.0",
    r"-NoNewline\b": "5.0 in Out-File",
    r"::new\(": "5.0",
    r"^\s*(class|enum|using)\s": "5.0",
    r"\?\?|\?\.|&&|\|\|": "7.0",
}


def code(name):
    """A script without its comments and its strings, which may hold anything."""
    text = (FOLDER / name).read_text(encoding="utf-8")
    text = re.sub(r'"(?:`.|[^"`])*"', '""', text)
    return re.sub(r"#[^\n]*", "", text)


@pytest.mark.parametrize("name", SCRIPTS)
def test_powershell_2_knows_every_word(name):
    text = code(name)
    for command in NEWER_COMMANDS:
        assert not re.search(rf"\b{command}\b", text, re.IGNORECASE), command
    for pattern, version in NEWER_SYNTAX.items():
        assert not re.search(pattern, text, re.MULTILINE | re.IGNORECASE), (pattern, version)


@pytest.mark.parametrize("name", SCRIPTS)
def test_brackets_pair(name):
    text = re.sub(r"'[^'\n]*'", "''", code(name))
    open_brackets = []
    for line_number, line in enumerate(text.splitlines(), 1):
        for letter in line:
            if letter in "([{":
                open_brackets.append(letter)
            elif letter in ")]}":
                assert open_brackets, (name, line_number, line)
                assert open_brackets.pop() + letter in ("()", "[]", "{}"), (name, line_number, line)
    assert open_brackets == []


@pytest.mark.parametrize("name", SCRIPTS)
def test_every_function_and_variable_is_there(name):
    text = (FOLDER / name).read_text(encoding="utf-8")
    own = set(re.findall(r"^function ([\w-]+)", text, re.MULTILINE))
    called = set(
        re.findall(r"(?<![\w-])((?:Test|Stop|Start|Move|Remove|Protect|Register|Join|Read|Set)-[A-Z]\w+)", text)
    )
    of_powershell_2 = {"Join-Path", "Move-Item", "Remove-Item", "Start-Sleep", "Test-Path", "Set-StrictMode"}
    assert called - of_powershell_2 == {function for function in own if "-" in function}
    # Under strict mode a variable that is read before it is set ends the script.
    assigned = re.findall(r"\$(\w+)\s*\+?=", text)
    parameters = re.findall(r"\[[\w\[\]]+\]\$(\w+)", text)
    looped = re.findall(r"foreach \(\$(\w+)", text)
    written = {name.lower() for name in (*assigned, *parameters, *looped)}
    automatic = {"env", "_", "null", "true", "false", "myinvocation", "lastexitcode", "global"}
    used = {found.lower() for found in re.findall(r"\$\{?(\w+)", text)}
    assert used - written - automatic == set()


@pytest.mark.parametrize("name", TASKS)
def test_tasks(name):
    text = (FOLDER / name).read_text(encoding="utf-8")
    for mark in ("@SC@", "@SERVICE@", "@PYTHON@", "@PRIVILEGED@"):
        assert f'"{mark}"' in (FOLDER / "install.ps1").read_text(encoding="utf-8")
        text = text.replace(mark, "filled")
    assert "@" not in text
    root = ET.fromstring(text)
    assert root.find("task:Principals/task:Principal/task:UserId", NAMESPACE).text == "S-1-5-18"
    setting = {item.tag.split("}")[1]: item.text for item in root.find("task:Settings", NAMESPACE)}
    # It wakes nothing, runs on batteries, and makes up for the time that the machine was off.
    assert setting["WakeToRun"] == "false"
    assert setting["DisallowStartIfOnBatteries"] == "false"
    assert setting["StartWhenAvailable"] == "true"
    assert setting["MultipleInstancesPolicy"] == "IgnoreNew"
    assert root.find(".//task:RandomDelay", NAMESPACE).text == "PT30M"
    # The schema wants the settings in this order: Windows 7 refuses a task in which they are not.
    order = [item.tag.split("}")[1] for item in root]
    assert order == ["RegistrationInfo", "Triggers", "Principals", "Settings", "Actions"]


def test_the_repair_is_hourly():
    root = ET.parse(FOLDER / "repair-task.xml").getroot()
    assert root.find(".//task:Repetition/task:Interval", NAMESPACE).text == "PT1H"
    assert root.find(".//task:Arguments", NAMESPACE).text == "start @SERVICE@"


@pytest.mark.parametrize("name", SCRIPTS)
def test_no_colon_joins_a_variable(name):
    # "$name:" would be a drive of that name; "${name}:" is the variable.
    text = (FOLDER / name).read_text(encoding="utf-8")
    assert set(re.findall(r"\$(\w+):", text)) <= {"env", "global"}


def test_the_installer_and_the_service_agree():
    install = (FOLDER / "install.ps1").read_text(encoding="utf-8")
    uninstall = (FOLDER / "uninstall.ps1").read_text(encoding="utf-8")
    for text in (install, uninstall):
        assert f'$Service = "{SERVICE_NAME}"' in text
    assert "-OO -m agent.service.windows" in install
    assert '"failureflag", $Service, "1"' in install
    assert "restart/5000/restart/60000/restart/300000" in install
    assert '"delayed-auto"' in install
    for update in ("KB2533623", "KB3063858", "KB2999226", "Service Pack 1"):
        assert update in install
    # Every task that is made is removed.
    for task in re.findall(r'Set-Task "(\w+)"', install):
        assert f'"{task}"' in uninstall
