@echo off
"%~dp0python\python.exe" -OO -m agent agent %*
exit /b %ERRORLEVEL%
