# Removes the service, its tasks and its program. The identity and what has not been sent yet stay, so that a later
# installation is the same terminal; -Purge removes them too. PowerShell 2.0 is enough.
param([switch]$Purge)
$ErrorActionPreference = "Continue"
Set-StrictMode -Version 2.0

$Service = "ThongMangAgent"
$ProgramFiles = $env:ProgramFiles
if ($env:ProgramW6432) { $ProgramFiles = $env:ProgramW6432 }
$Base = Join-Path $ProgramFiles "ThongMang"
$Sc = Join-Path $env:SystemRoot "System32\sc.exe"
$Schtasks = Join-Path $env:SystemRoot "System32\schtasks.exe"

$principal = New-Object Security.Principal.WindowsPrincipal ([Security.Principal.WindowsIdentity]::GetCurrent())
if (-not $principal.IsInRole([Security.Principal.WindowsBuiltInRole]::Administrator)) {
    Write-Host "LỖI: cần quyền quản trị."
    exit 1
}
# The tasks first: one of them starts the service.
foreach ($name in @("Repair", "Privileged")) {
    & $Schtasks /End /TN "ThongMang\$name" 2>&1 | Out-Null
    & $Schtasks /Delete /TN "ThongMang\$name" /F 2>&1 | Out-Null
}
if (Get-Service -Name $Service -ErrorAction SilentlyContinue) {
    & $Sc stop $Service 2>&1 | Out-Null
    for ($second = 0; $second -lt 60; $second++) {
        if ((Get-Service -Name $Service).Status -eq "Stopped") { break }
        Start-Sleep -Seconds 1
    }
    & $Sc delete $Service 2>&1 | Out-Null
}
# The process ends a moment after its service; this script may lie in the folder, and has been read already.
for ($try = 1; (Test-Path $Base) -and $try -le 10; $try++) {
    Remove-Item $Base -Recurse -Force -ErrorAction SilentlyContinue
    if (Test-Path $Base) { Start-Sleep -Seconds 2 }
}
if ($Purge) {
    foreach ($name in @("ThongMang", "ThongMangPrivileged")) {
        $folder = Join-Path $env:ProgramData $name
        if (Test-Path $folder) { Remove-Item $folder -Recurse -Force }
    }
}
if (Test-Path $Base) {
    Write-Host "LỖI: không xóa được $Base; hãy khởi động lại máy rồi chạy lại."
    exit 1
}
Write-Host "Đã gỡ $Service."
exit 0
