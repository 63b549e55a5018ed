"""The scaling tables: what is planned for a slice, and how rows become efficiencies."""

from __future__ import annotations

import pytest

from scripts import scaling
from wiseft_jax.planning.counts import Collective, Counts
from wiseft_jax.planning.facts import StepFacts
from wiseft_jax.planning.roofline import estimate
from wiseft_jax.planning.topology import parse_topology


@pytest.mark.parametrize("preset", scaling.STUDIES)
@pytest.mark.parametrize("chips", scaling.SLICES)
def test_a_slice_has_its_chips_and_a_batch_that_splits(preset: str, chips: int):
    config = scaling.configure(preset, chips)
    batch_size, most = scaling.STUDIES[preset]
    assert parse_topology(f"v5e:{scaling.SLICES[chips]}").num_devices == chips
    assert config.training.batch_size == batch_size
    share, rest = divmod(batch_size, chips * config.training.accumulation_steps)
    assert rest == 0
    assert 1 <= share <= most


def test_efficiency_is_relative_to_the_first_slice(monkeypatch: pytest.MonkeyPatch):
    def predict(preset: str, chips: int):
        topology = parse_topology(f"v5e:{scaling.SLICES[chips]}")
        reduced = Collective("all-reduce", 10**9, chips, 1.0)
        counts = Counts(98.5e12 * 8 / chips, 0.0, (reduced,))
        facts = StepFacts("train", "compile", 4096, 1, counts, 1.0, {"arguments": 2**30})
        return scaling.configure(preset, chips), topology, facts, estimate(facts, topology)

    monkeypatch.setattr(scaling, "predict", predict)
    eight, sixty_four = scaling.rows("pod/vit_b16", [8, 64])
    assert eight["exposed_efficiency"] == eight["overlapped_efficiency"] == 1.0
    assert sixty_four["overlapped_efficiency"] == pytest.approx(1.0)
    assert eight["exposed_secs"] == pytest.approx(1.0 + 2 * (7 / 8) / 100)
    expected = eight["exposed_secs"] / (8 * (1 / 8 + 2 * (63 / 64) / 100))
    assert sixty_four["exposed_efficiency"] == pytest.approx(expected)
    table = scaling.table([eight, sixty_four])
    assert table.splitlines()[2].startswith("| 8 | v5e:2x4 | 8 | 1.0 GiB | 1,000 ms |")
    assert "all-reduce 1 x, 0.93 GiB" in table
