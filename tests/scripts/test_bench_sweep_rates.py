"""The rates of the sweep and of decoding, at a size that takes seconds."""

from __future__ import annotations

import json

import pytest

from scripts import bench_pipeline, bench_sweep_rates


def test_both_rates_are_printed_and_the_slower_one_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr(bench_pipeline, "DISTINCT", 8)
    monkeypatch.setattr(bench_sweep_rates, "SIZES", {"cpu": (64,), "other": (64,)})
    options = ["--model", "glyphclip", "--dtype", "float32", "--classes", "3", "--repeats", "1"]
    bench_sweep_rates.main([*options, "--batch-size", "8", "--alphas", "3", "--jpegs", "16"])
    found = json.loads(capsys.readouterr().out)
    assert found["sweep_tflops_per_sec"] > 0
    decoded, swept = found["decoded_images_per_sec"], found["sweep_images_per_sec"]
    assert found["swept_files_per_sec"] > 0
    assert found["bound_by"] == ("decoding" if decoded < swept else "matrix products")


@pytest.mark.parametrize("chunk_size", [1, 2])
def test_flops_are_those_of_the_alphas_asked_for(chunk_size: int):
    sizes = ["--batch-size", "8", "--classes", "3", "--chunk-size", str(chunk_size)]
    flops = {}
    for count in (2, 4):
        args = bench_sweep_rates.parse(
            ["--model", "glyphclip", "--dtype", "float32", "--alphas", str(count), *sizes]
        )
        flops[count] = bench_sweep_rates.make_sweep(args).flops
    assert flops[4] == pytest.approx(2 * flops[2], rel=0.01)
    # 16 patches and the class token; 12 width^2 products a block and token, and attention's.
    width, tokens, blocks = 160, 17, 4
    least = 2 * 8 * tokens * blocks * 12 * width**2
    assert least < flops[2] / 2 < 1.3 * least
