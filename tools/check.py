"""Every check of the project, one after another, each with its time: what `make test` and CI run.

    python tools/check.py [--quick] [--only STAGE] [-- PYTEST ARGUMENTS]

All stages run even when an early one fails; the exit status is 1 when any did. A stage whose folders do not exist is skipped, aloud.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

STRICT = ("domain", "utility", "strategy", "storage", "trading")
LINES_MAX = 500
EXAMPLE_SECONDS_MAX = 300
NOT_OURS = {"__pycache__", "_database", "build", "dist", "node_modules"}

PASSED, FAILED, SKIPPED = "ok", "FAILED", "skipped"


def run(*words: str, environ: dict[str, str] | None = None, cwd: Path = ROOT, seconds: float | None = None) -> int:
    """Run a command in the work tree and return its exit status; its output is shown as it comes."""
    sys.stdout.flush()
    try:
        return subprocess.run(words, cwd=cwd, env=environ, check=False, timeout=seconds).returncode
    except subprocess.TimeoutExpired:
        print(f"stopped after {seconds:.0f} s: {' '.join(words)}")
        return 124


def sources(root: Path = ROOT) -> list[Path]:
    """Return our Python files, sorted; hidden folders, caches and data are not ours."""
    found = []
    for folder, folders, files in os.walk(root):
        folders[:] = sorted(name for name in folders if name not in NOT_OURS and not name.startswith("."))
        found += [Path(folder, name) for name in sorted(files) if name.endswith(".py")]
    return found


def lint(_arguments: list[str]) -> str:
    """Ruff's rules."""
    return FAILED if run(sys.executable, "-m", "ruff", "check", ".") else PASSED


def layout(_arguments: list[str]) -> str:
    """Ruff's formatter, as a question."""
    return FAILED if run(sys.executable, "-m", "ruff", "format", "--check", "--quiet", ".") else PASSED


def types(_arguments: list[str]) -> str:
    """Mypy, strict, on the packages where a wrong type costs money."""
    folders = [name for name in STRICT if list((ROOT / name).glob("*.py"))]
    if not folders:
        return SKIPPED
    print("skipped, not here yet: " + " ".join(sorted(set(STRICT) - set(folders))) if len(folders) < len(STRICT) else " ".join(folders))
    return FAILED if run(sys.executable, "-m", "mypy", *folders) else PASSED


def floors(_arguments: list[str]) -> str:
    """Import-linter's contracts, without the packages that do not exist yet."""
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    config = tomllib.loads(text)["tool"]["importlinter"]
    named = config["root_packages"]
    absent = [name for name in named if not (ROOT / name / "__init__.py").exists()]
    if len(absent) == len(named):
        return SKIPPED
    for name in absent:
        print(f"skipped, not here yet: {name}")
        text = re.sub(rf'^\s*"{name}",\n', "", text, flags=re.MULTILINE)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "contracts.toml")
        path.write_text(text, encoding="utf-8")
        environ = dict(os.environ, PYTHONPATH=str(ROOT))
        program = "import sys; from importlinter.cli import lint_imports_command; sys.exit(lint_imports_command())"
        return FAILED if run(sys.executable, "-c", program, "--config", str(path), "--no-cache", environ=environ) else PASSED


def structure(_arguments: list[str]) -> str:
    """Long files say why they are long, and nobody imports the top of the house."""
    complaints = [line for path in sources() for line in complaints_about(path.relative_to(ROOT), path.read_text(encoding="utf-8"))]
    print("\n".join(complaints), end="\n" if complaints else "")
    return FAILED if complaints else PASSED


def complaints_about(path: Path, text: str) -> list[str]:
    """Return what is wrong with the shape of one source file, as lines for a person.

    Parameters
    ----------
    path : Path
        Relative to the work tree.
    text : str
        The file's contents.
    """
    lines = text.splitlines()
    # The doctor's checks and the environment of a benchmark are tools; examples and benchmarks stand outside the house.
    below_the_top = path.parts[0] not in ("tests", "tools", "stom.py", "benchmarks", "examples") and path.as_posix() != "cli/doctor.py"
    is_test = path.parts[0] == "tests"  # a test may try to pickle a secret, and see it refuse
    found = []
    if len(lines) > LINES_MAX and not any(re.match(r"\s*# long: \S", line) for line in lines[:15]):
        found.append(f"{path}: {len(lines)} lines, more than {LINES_MAX}; find the seam, or say why: '# long: <reason>' near the top")
    for number, line in enumerate(lines, 1):
        # Pickle runs code when it is read; a socket or file that carries it is an open door.
        if not is_test and re.match(r"\s*(import|from)\s+(c?pickle|_pickle|dill|shelve|marshal)\b", line):
            found.append(f"{path}:{number}: pickle and its relatives are not used here")
        # stom.py is a module beside the packages, which import-linter cannot name as a root.
        if below_the_top and re.match(r"\s*(import|from)\s+(stom|tests|tools)\b", line):
            found.append(f"{path}:{number}: only stom.py may know the top of the house")
    return found


def tests(arguments: list[str]) -> str:
    """Pytest over tests/, two at a time; finding no test is a failure."""
    if not (ROOT / "tests").is_dir():
        return SKIPPED
    workers = [] if any(word.startswith("-n") for word in arguments) else ["-n", "2"]
    status = run(sys.executable, "-m", "pytest", "-q", *workers, *arguments)
    if status == 5:
        print("no test was found; that is not a pass")
    return FAILED if status else PASSED


def examples(_arguments: list[str]) -> str:
    """Each program in examples/, as a user would start it, each with a data directory of its own."""
    programs = sorted((ROOT / "examples").glob("*.py"))
    if not programs:
        return SKIPPED
    failed = []
    for program in programs:
        with tempfile.TemporaryDirectory(prefix="stom-example-") as folder:
            environ = dict(os.environ, PYTHONPATH=str(ROOT), STOM_DATA_DIR=folder)
            started = time.monotonic()
            status = run(sys.executable, str(program), environ=environ, seconds=EXAMPLE_SECONDS_MAX)
            print(f"{program.name}: {'ok' if status == 0 else f'exit {status}'}, {time.monotonic() - started:.1f} s")
            if status:
                failed.append(program.name)
    return FAILED if failed else PASSED


STAGES: dict[str, Callable[[list[str]], str]] = {
    "lint": lint,
    "format": layout,
    "types": types,
    "imports": floors,
    "structure": structure,
    "tests": tests,
    "examples": examples,
}
QUICK = ("lint", "format", "types", "imports", "structure")


def main(words: list[str]) -> int:
    """Run the chosen stages and return 1 when one failed."""
    at = words.index("--") if "--" in words else len(words)
    own, passed_on = words[:at], words[at + 1 :]
    parser = argparse.ArgumentParser(description="Every check of the project. Words after -- go to pytest.")
    parser.add_argument("--quick", action="store_true", help="no tests, no examples")
    parser.add_argument("--only", choices=STAGES, action="append", help="this stage alone; may be repeated")
    chosen = parser.parse_args(own)
    names = chosen.only or (QUICK if chosen.quick else tuple(STAGES))
    results = []
    for name in names:
        print(f"== {name}", flush=True)
        started = time.monotonic()
        result = STAGES[name](passed_on)
        results.append((name, result, time.monotonic() - started))
        print(f"== {name}: {result}, {results[-1][2]:.1f} s", flush=True)
    print("\n" + "\n".join(f"{name:10} {result:8} {seconds:7.1f} s" for name, result, seconds in results))
    return 1 if any(result == FAILED for _name, result, _seconds in results) else 0


if __name__ == "__main__":
    from tools import environment

    # The bootstrap has done this already; a developer may also start this file with the environment's own interpreter.
    if os.environ.get("QT_QPA_PLATFORM") != "offscreen":
        environment.prepare_tests()
    sys.exit(main(sys.argv[1:]))
