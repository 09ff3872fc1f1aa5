"""`make bench` measures what the design asks for, all of it, and writes it as promised."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

FIGURES = {
    "link_command_to_result_p50",
    "drop_edge_to_subscriber_p50",
    "stop_http_to_frame_p99",
    "stop_http_to_frame_loaded_p99",
    "journal_append_50_producers",
    "journal_append_beside_producers",
    "virtual_time_speed",
    "idle_cpu",
    "idle_memory",
    "start_to_ready",
    "change_to_pixels_p95",
}
AT_LEAST = {"virtual_time_speed"}


@pytest.mark.serial
def test_a_quick_bench_writes_every_figure_of_the_design(tmp_path: Path) -> None:
    output = tmp_path / "bench.json"
    ran = subprocess.run(
        [sys.executable, "-m", "tests.bench", "--quick", "--output", str(output)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    bench = json.loads(output.read_text())
    assert bench["schema"] == "bench/1"
    figures = {figure["name"]: figure for figure in bench["figures"]}
    assert figures.keys() == FIGURES
    for name, figure in figures.items():
        assert figure.keys() == {"name", "unit", "value", "floor", "ratio", "bar", "met"}
        assert name in ran.stderr
        assert figure["value"] > 0
        reached = figure["value"] if figure["floor"] is None else figure["ratio"]
        bar = figure["bar"]
        assert figure["met"] is (reached >= bar if name in AT_LEAST else reached <= bar)


@pytest.mark.parametrize("wrong", [("--only", "no_such_figure"), ("--fast",)])
def test_a_wish_that_cannot_be_met_is_a_usage_error(wrong: tuple[str, ...]) -> None:
    command = [sys.executable, "-m", "tests.bench", *wrong]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, check=False)
    assert ran.returncode == 2
