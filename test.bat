@echo off
rem The same as "make test": makes .venv on the first call, then runs every check. No administrator rights needed.
setlocal
set PYTHONUTF8=1
set STOM_PYTHON=python
where py >nul 2>nul && set STOM_PYTHON=py -3.11
%STOM_PYTHON% "%~dp0tools\bootstrap.py" test %*
exit /b %ERRORLEVEL%
