# Installs or upgrades the agent as the service ThongMangAgent. Silent, and does nothing twice, so that it can be the
# start-up script of a domain. PowerShell 2.0, as Windows 7 has it, is enough. What people read is Vietnamese.
#
#   -Url             the collector, as https://collector.example:8765
#   -Code            join code of the unit; needed until the machine is enrolled
#   -CaFingerprint   SHA-256 of the one authority to trust; the collector hands out the authority itself; or
#   -CaFile          PEM file of that authority
#   -LogFile         by default %SystemRoot%\Logs\ThongMang\install.log
#
# Exit codes: 0 installed and running; 1 not, and the log says why.
param(
    [string]$Url = "",
    [string]$Code = "",
    [string]$CaFile = "",
    [string]$CaFingerprint = "",
    [string]$LogFile = ""
)
$ErrorActionPreference = "Stop"
Set-StrictMode -Version 2.0

$Service = "ThongMangAgent"
$Here = Split-Path -Parent $MyInvocation.MyCommand.Definition
$ProgramFiles = $env:ProgramFiles
if ($env:ProgramW6432) { $ProgramFiles = $env:ProgramW6432 }
$Base = Join-Path $ProgramFiles "ThongMang"
$Program = Join-Path $Base "program"
$Fresh = Join-Path $Base "program.new"
$Earlier = Join-Path $Base "program.old"
$Python = Join-Path $Program "python\python.exe"
$State = Join-Path $env:ProgramData "ThongMang"
$Privileged = Join-Path $env:ProgramData "ThongMangPrivileged"
$Identity = Join-Path $State "identity.json"
$System32 = Join-Path $env:SystemRoot "System32"
$Sc = Join-Path $System32 "sc.exe"
$Icacls = Join-Path $System32 "icacls.exe"
$Schtasks = Join-Path $System32 "schtasks.exe"
# SIDs, because the names of groups are translated with Windows.
$SystemSid = "S-1-5-18"
$AdministratorsSid = "S-1-5-32-544"

if ($LogFile -eq "") { $LogFile = Join-Path $env:SystemRoot "Logs\ThongMang\install.log" }
try {
    $folder = Split-Path -Parent $LogFile
    if (-not (Test-Path $folder)) { New-Item -ItemType Directory -Path $folder | Out-Null }
    if ((Test-Path $LogFile) -and ((Get-Item $LogFile).Length -gt 262144)) { Move-Item $LogFile "$LogFile.1" -Force }
    [IO.File]::AppendAllText($LogFile, "")
} catch {
    # Without an administrator's rights; what is said of that must be read somewhere.
    $LogFile = Join-Path $env:TEMP "thongmang-install.log"
}

function Say([string]$Text) {
    $line = (Get-Date -Format "yyyy-MM-dd HH:mm:ss") + " " + $Text
    [IO.File]::AppendAllText($LogFile, $line + "`r`n", [Text.Encoding]::UTF8)
    Write-Host $Text
}

function Fail([string]$Text) {
    Say "LỖI: $Text"
    exit 1
}

# Exit status of a program; its words go to the log. Without "Stop": 2.0 takes each line of stderr for an error.
function Run([string]$File, [string[]]$Arguments) {
    $ErrorActionPreference = "Continue"
    $global:LASTEXITCODE = -1
    & $File $Arguments 2>&1 | ForEach-Object { Say "    $_" }
    return $LASTEXITCODE
}

function Must([string]$What, [string]$File, [string[]]$Arguments) {
    $status = @(Run $File $Arguments)[-1]
    if ($status -ne 0) { Fail "$What không được (mã $status)." }
}

function Test-Installed {
    return [bool](Get-Service -Name $Service -ErrorAction SilentlyContinue)
}

function Stop-Agent {
    if (-not (Test-Installed)) { return }
    Run $Schtasks @("/End", "/TN", "ThongMang\Privileged") | Out-Null
    $found = Get-Service -Name $Service
    if ($found.Status -eq "Stopped") { return }
    Run $Sc @("stop", $Service) | Out-Null
    for ($second = 0; $second -lt 60; $second++) {
        if ((Get-Service -Name $Service).Status -eq "Stopped") { return }
        Start-Sleep -Seconds 1
    }
    Fail "Dịch vụ $Service không dừng sau 60 giây."
}

# Running, and still so ten seconds later.
function Start-Agent {
    if ((Get-Service -Name $Service).Status -ne "Running") { Run $Sc @("start", $Service) | Out-Null }
    for ($second = 0; $second -lt 60; $second++) {
        if ((Get-Service -Name $Service).Status -eq "Running") {
            Start-Sleep -Seconds 10
            return ((Get-Service -Name $Service).Status -eq "Running")
        }
        Start-Sleep -Seconds 1
    }
    return $false
}

# Virus scanners hold files for a moment after they were written.
function Move-Folder([string]$From, [string]$To) {
    for ($try = 1; $try -le 10; $try++) {
        try {
            [IO.Directory]::Move($From, $To)
            return
        } catch {
            if ($try -eq 10) { throw }
            Start-Sleep -Seconds 2
        }
    }
}

function Remove-Folder([string]$Folder) {
    if (Test-Path $Folder) { Remove-Item $Folder -Recurse -Force }
}

function Test-Prerequisites {
    $principal = New-Object Security.Principal.WindowsPrincipal ([Security.Principal.WindowsIdentity]::GetCurrent())
    if (-not $principal.IsInRole([Security.Principal.WindowsBuiltInRole]::Administrator)) {
        Fail "Cần quyền quản trị: hãy mở Command Prompt bằng 'Run as administrator', hoặc đặt làm kịch bản khởi động máy."
    }
    $version = [Environment]::OSVersion.Version
    if ($version.Major -lt 6 -or ($version.Major -eq 6 -and $version.Minor -lt 1)) {
        Fail "Windows này ($version) quá cũ: cần Windows 7 SP1 trở lên."
    }
    if ($version.Major -eq 6 -and $version.Minor -eq 1) {
        $pack = (Get-WmiObject -Class Win32_OperatingSystem).ServicePackMajorVersion
        if ($pack -lt 1) { Fail "Windows 7 chưa có Service Pack 1 (KB976932). Hãy cài SP1 rồi chạy lại." }
    }
    $is64 = ($env:PROCESSOR_ARCHITECTURE -eq "AMD64") -or ($env:PROCESSOR_ARCHITEW6432 -eq "AMD64")
    $architecture = ([IO.File]::ReadAllText((Join-Path $Here "program\ARCHITECTURE"))).Trim()
    if ($architecture -eq "amd64" -and -not $is64) {
        Fail "Đây là Windows 32 bit: hãy dùng gói -windows-win32.zip."
    }
    if (-not (Test-Path (Join-Path $Here "program\python\python.exe"))) {
        Fail "Gói này không kèm Python: hãy giải nén python-3.8.10-embed-$architecture.zip vào thư mục program\python."
    }
    $own = Test-Path (Join-Path $Here "program\python\ucrtbase.dll")
    if (-not $own -and -not (Test-Path (Join-Path $System32 "ucrtbase.dll"))) {
        Fail "Thiếu Universal C Runtime: hãy cài bản cập nhật KB2999226 rồi chạy lại."
    }
}

# The new program runs on this machine at all.
function Test-Program([string]$Folder) {
    $words = @("-OO", "-c", "import ssl, sqlite3, ctypes, zlib, agent.measuring, agent.service.windows")
    $status = @(Run (Join-Path $Folder "python\python.exe") $words)[-1]
    if ($status -eq 0) { return }
    Remove-Folder $Folder
    $version = [Environment]::OSVersion.Version
    if ($version.Major -eq 6 -and $version.Minor -eq 1) {
        Fail "Python không chạy được. Trên Windows 7 cần KB2533623 (hoặc KB3063858) và KB2999226: hãy cài rồi chạy lại."
    }
    Fail "Python không chạy được trên máy này (mã $status); các dòng trên cho biết vì sao."
}

# A folder in ProgramData that only the system, administrators and the service's own SID may enter. Users may make folders
# there, so one that somebody else has prepared is put aside.
function Protect-Folder([string]$Folder, [string]$ServiceRights) {
    if (Test-Path $Folder) {
        $owner = (Get-Acl $Folder).GetOwner([Security.Principal.SecurityIdentifier]).Value
        $is_link = ((Get-Item $Folder -Force).Attributes -band [IO.FileAttributes]::ReparsePoint) -ne 0
        if ($is_link -or ($owner -ne $SystemSid -and $owner -ne $AdministratorsSid)) {
            $aside = $Folder + ".khong-ro-" + (Get-Date -Format "yyyyMMddHHmmss")
            Say "$Folder không do hệ thống tạo; chuyển sang $aside."
            [IO.Directory]::Move($Folder, $aside)
        }
    }
    if (-not (Test-Path $Folder)) { New-Item -ItemType Directory -Path $Folder | Out-Null }
    Must "Đặt chủ sở hữu của $Folder" $Icacls @($Folder, "/setowner", "*$AdministratorsSid")
    Must "Đặt quyền của $Folder" $Icacls @($Folder, "/inheritance:r", "/grant:r",
        "*${SystemSid}:(OI)(CI)F", "*${AdministratorsSid}:(OI)(CI)F", "NT SERVICE\${Service}:(OI)(CI)$ServiceRights")
}

function Register-Agent {
    if (-not (Test-Installed)) {
        $command = "`"$Python`" -OO -m agent.service.windows"
        New-Service -Name $Service -BinaryPathName $command -DisplayName "Thông Mạng agent" -StartupType Manual `
            -Description "Đo máy này và đường truyền, báo về trung tâm của đơn vị." | Out-Null
    }
    # No rights of an administrator; what needs them is read once a day by a task. A SID of its own keeps the other
    # services of LocalService out of the state folder.
    $found = Get-WmiObject -Class Win32_Service -Filter "Name='$Service'"
    $account = "NT AUTHORITY\LocalService"
    $status = $found.Change($null, $null, $null, $null, $null, $null, $account, "").ReturnValue
    if ($status -ne 0) { Fail "Đặt tài khoản của dịch vụ không được (mã $status)." }
    Must "Đặt cách khởi động của dịch vụ" $Sc @("config", $Service, "start=", "delayed-auto")
    Must "Đặt SID của dịch vụ" $Sc @("sidtype", $Service, "unrestricted")
    Must "Giới hạn đặc quyền của dịch vụ" $Sc @("privs", $Service, "SeChangeNotifyPrivilege")
    Must "Đặt cách khởi động lại" $Sc @("failure", $Service, "reset=", "86400", "actions=",
        "restart/5000/restart/60000/restart/300000")
    Must "Đặt cách khởi động lại" $Sc @("failureflag", $Service, "1")
}

function Set-Task([string]$Name, [string]$Template) {
    $xml = [IO.File]::ReadAllText((Join-Path $Here $Template), [Text.Encoding]::UTF8)
    foreach ($pair in @(@("@SC@", $Sc), @("@SERVICE@", $Service), @("@PYTHON@", $Python), @("@PRIVILEGED@", $Privileged))) {
        $xml = $xml.Replace($pair[0], [Security.SecurityElement]::Escape($pair[1]))
    }
    $file = Join-Path $Base "task.xml"
    [IO.File]::WriteAllText($file, $xml, [Text.Encoding]::Unicode)
    Must "Tạo tác vụ $Name" $Schtasks @("/Create", "/TN", "ThongMang\$Name", "/XML", $file, "/F")
    Remove-Item $file -Force
}

function Join-Collector {
    if ($Url -eq "" -or $Code -eq "") { Fail "Máy này chưa ghi danh: cần -Url và -Code." }
    $words = @("-OO", "-m", "agent", "agent", "enrol", $Url, "--code", $Code, "--state-dir", $State)
    if ($CaFingerprint -ne "" -and $CaFile -ne "") { Fail "Chỉ dùng một trong hai: -CaFingerprint hoặc -CaFile." }
    if ($CaFingerprint -ne "") {
        $words += @("--ca-sha256", $CaFingerprint)
    } elseif ($CaFile -ne "") {
        $words += @("--ca-file", $CaFile)
    } elseif ($Url -like "https:*") {
        Fail "Cần -CaFingerprint hoặc -CaFile: tổ chức chứng thực duy nhất được tin cho máy chủ trung tâm."
    }
    $status = @(Run $Python $words)[-1]
    if ($status -ne 0) { Fail "Ghi danh không được (mã $status); các dòng trên cho biết vì sao." }
    # Enrolment closes the folder to all but the system and administrators; the service's own right comes back.
    Protect-Folder $State "M"
}

function Read-Version([string]$Folder) {
    $file = Join-Path $Folder "VERSION"
    if (Test-Path $file) { return ([IO.File]::ReadAllText($file)).Trim() }
    return ""
}

try {
    try { [Console]::OutputEncoding = [Text.Encoding]::UTF8 } catch { }
    $offered = Read-Version (Join-Path $Here "program")
    $is_new = ($offered -ne (Read-Version $Program)) -or -not (Test-Path $Python)
    if (-not $is_new -and (Test-Installed) -and (Test-Path $Identity) -and
        (Get-Service -Name $Service).Status -eq "Running") {
        exit 0
    }
    Test-Prerequisites
    if (-not (Test-Path $Base)) { New-Item -ItemType Directory -Path $Base | Out-Null }
    # A power cut during an earlier swap.
    if (-not (Test-Path $Program) -and (Test-Path $Earlier)) { Move-Folder $Earlier $Program }

    if ($is_new) {
        Say "Cài đặt $offered vào $Program."
        Remove-Folder $Fresh
        Remove-Folder $Earlier
        Copy-Item (Join-Path $Here "program") $Fresh -Recurse
        # A package built without Python: only the agent's own folder is looked at, as in one built with it.
        foreach ($file in @(Get-ChildItem (Join-Path $Fresh "python") -Filter "python3*._pth")) {
            $library = [IO.Path]::GetFileNameWithoutExtension($file.Name) + ".zip"
            [IO.File]::WriteAllText($file.FullName, "$library`r`n.`r`n..\lib`r`n", [Text.Encoding]::ASCII)
        }
        Test-Program $Fresh
        # The service may not write here, and would compile anew at each start.
        Run (Join-Path $Fresh "python\python.exe") @("-OO", "-m", "compileall", "-q", (Join-Path $Fresh "lib")) | Out-Null
        Stop-Agent
        if (Test-Path $Program) { Move-Folder $Program $Earlier }
        Move-Folder $Fresh $Program
        foreach ($name in @("uninstall.ps1", "uninstall.cmd")) { Copy-Item (Join-Path $Here $name) $Base -Force }
    }
    Register-Agent
    Protect-Folder $State "M"
    Protect-Folder $Privileged "RX"
    if (-not (Test-Path $Identity)) { Join-Collector }
    if (-not (Start-Agent)) {
        if (-not ($is_new -and (Test-Path $Earlier))) {
            Fail "Dịch vụ không khởi động được; xem $State\agent.log."
        }
        Say "Bản mới không khởi động được; quay về bản cũ."
        Stop-Agent
        Move-Folder $Program $Fresh
        Move-Folder $Earlier $Program
        Start-Agent | Out-Null
        Fail "Bản $offered không chạy được trên máy này; bản cũ đang chạy. Xem $State\agent.log."
    }
    Set-Task "Repair" "repair-task.xml"
    Set-Task "Privileged" "privileged-task.xml"
    Run $Schtasks @("/Run", "/TN", "ThongMang\Privileged") | Out-Null
    Remove-Folder $Earlier
    Say "Xong: $Service đang chạy, bản $offered."
    exit 0
} catch {
    Fail ("" + $_.Exception.Message + " (dòng " + $_.InvocationInfo.ScriptLineNumber + ")")
}
