@echo off
rem Arguments as of install.ps1, for example:
rem   install.cmd -Url https://collector.example:8765 -Code ABCD-1234 -CaFingerprint 12AB...EF
powershell.exe -NoLogo -NoProfile -NonInteractive -ExecutionPolicy Bypass -File "%~dp0install.ps1" %*
exit /b %ERRORLEVEL%
