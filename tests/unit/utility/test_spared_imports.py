"""A process that trades starts without the libraries that others only ask for, and works."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
SCRIPT = """
import sys
sys.path.insert(0, {root!r})
from tools import environment
environment.prepare()
from utility.spared_imports import spare_linear_algebra, spare_pandas
spare_linear_algebra()
spare_pandas()
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from trading import numbers
numbers.warm()
import utility.public_rest
pq.write_table(pa.table({{"x": np.arange(5), "y": np.arange(5.0)}}), {file!r})
with pq.ParquetFile({file!r}) as file:
    assert file.read().column("y").to_numpy().tolist() == [0.0, 1.0, 2.0, 3.0, 4.0]
print(sorted({{"click", "pandas", "scipy.linalg"}} & set(sys.modules)))
import pandas
"""


def test_nothing_of_it_is_loaded_and_what_asked_for_it_works(tmp_path: Path) -> None:
    script = SCRIPT.format(root=str(ROOT), file=str(tmp_path / "x.parquet"))
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.strip()) == (0, "[]"), done.stderr
