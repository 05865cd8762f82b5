#!/bin/sh
# The same as `make run`, for machines without make.
cd "$(dirname "$0")" || exit 1
python=$(command -v python3.11 || command -v python3 || command -v python) || { echo "STOM needs Python 3.11: https://www.python.org/downloads/" >&2; exit 2; }
exec "$python" tools/bootstrap.py run "$@"
