@echo off
rem The same as "make run": makes .venv on the first call, then opens the desktop. No administrator rights needed.
setlocal
set PYTHONUTF8=1
set STOM_PYTHON=python
where py >nul 2>nul && set STOM_PYTHON=py -3.11
%STOM_PYTHON% "%~dp0tools\bootstrap.py" run %*
exit /b %ERRORLEVEL%
