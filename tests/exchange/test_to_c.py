"""C sources give what rnnkit gives, over a thousand steps, and say what they are."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from exchange_cases import (
    AFFINE,
    BOTH_WAYS,
    EMBEDDING,
    GRU,
    LSTM,
    ONE_HOT,
    STACKS,
    of_pairs,
    of_sequences,
    of_series,
    of_text,
)

from rnnkit import CheckpointError, ThresholdError
from rnnkit.exchange.c_proof import compiled_source
from rnnkit.exchange.export import export
from rnnkit.inference.model import Model

FLAGS = ("-std=c99", "-Wall", "-Werror", "-O2")

pytestmark = pytest.mark.skipif(not shutil.which("gcc"), reason="gcc is not installed")

MAIN = """\
#include <stdio.h>
#include "small.h"

int main(void)
{
    small_state state;
    float y[SMALL_OUTPUTS];
    small_init(&state);
    READ {
        small_step(&state, x, y);
        for (int j = 0; j < SMALL_OUTPUTS; j++)
            printf("%.9g ", y[j]);
        printf("\\n");
    }
    return 0;
}
"""
READ_IDS = 'int x;\n    while (scanf("%d", &x) == 1)'
READ_VALUES = 'float x[SMALL_INPUTS];\n    while (scanf("%f %f", x, x + 1) == 2)'


def ran(folder: Path, read: str, given: str, *through: str) -> np.ndarray:
    """Compile the two files with a program of a user's own; return what it prints."""
    (folder / "main.c").write_text(MAIN.replace("READ", read))
    files = [folder / "main.c", folder / "small.c"]
    line = ["gcc", *FLAGS, "-o", folder / "main", *files, "-lm"]
    subprocess.run(line, check=True, capture_output=True)
    done = subprocess.run(
        [*through, folder / "main"], input=given, capture_output=True, text=True, check=True
    )
    return np.array([row.split() for row in done.stdout.splitlines()], np.float32)


@pytest.mark.parametrize("layers", STACKS.values(), ids=STACKS)
def test_every_stack_is_the_same_there(layers: list[Any], tmp_path: Path) -> None:
    proof = export(of_text(tmp_path, layers), "c", tmp_path / "out")
    assert proof is not None and proof.largest < 1e-5


def test_a_thousand_steps_of_ids_and_of_values(tmp_path: Path) -> None:
    random = np.random.default_rng(3)
    model = of_text(tmp_path, STACKS["normed"])
    export(model, "c", tmp_path / "ids")
    ids = random.integers(0, model.network.inputs.known(), (1000, 1))
    found = ran(tmp_path / "ids", READ_IDS, " ".join(map(str, ids[:, 0])))
    np.testing.assert_allclose(found, model.forward(ids)[0][:, 0], atol=1e-5, rtol=1e-5)

    model = of_series(tmp_path, [LSTM, GRU, AFFINE])
    export(model, "c", tmp_path / "values")
    xs = random.standard_normal((1000, 1, 2)).astype(np.float32)
    lines = "\n".join(" ".join(map(repr, row.tolist())) for row in xs[:, 0])
    found = ran(tmp_path / "values", READ_VALUES, lines)
    scales = model.spec.data.scales()
    raw = xs * scales["inputs"]["factor"] + scales["inputs"]["offset"]
    expected = (model.forward(raw)[0] - scales["outputs"]["offset"]) / scales["outputs"]["factor"]
    np.testing.assert_allclose(found, expected[:, 0], atol=1e-5, rtol=1e-5)


@pytest.mark.skipif(not shutil.which("valgrind"), reason="valgrind is not installed")
def test_valgrind_finds_nothing(tmp_path: Path) -> None:
    export(of_text(tmp_path, STACKS["gru_reset_before"]), "c", tmp_path / "out", verify=False)
    through = ("valgrind", "--error-exitcode=9", "--leak-check=full", "--quiet")
    assert ran(tmp_path / "out", READ_IDS, "0 1 2 3 4 5 -1 99", *through).shape[0] == 8
    assert "Not verified" in (tmp_path / "out" / "small.h").read_text()


def test_an_id_that_is_none_changes_nothing(tmp_path: Path) -> None:
    export(of_text(tmp_path, STACKS["lstm"]), "c", tmp_path / "out")
    found = ran(tmp_path / "out", READ_IDS, "1 2 3 77 3")
    again = ran(tmp_path / "out", READ_IDS, "1 2 3 3")
    assert np.array_equal(found[[0, 1, 2, 4]], again)
    assert np.array_equal(found[3], found[2])


def test_vocabulary_and_scales_are_inside(tmp_path: Path) -> None:
    model = of_text(tmp_path, STACKS["lstm"])
    export(model, "c", tmp_path / "ids")
    code = (tmp_path / "ids" / "small.c").read_text()
    assert model.vocabulary is not None
    assert '"\\012", "a", "b", "c",' in code and model.vocabulary.tokens[:4] == (
        "\n",
        "a",
        "b",
        "c",
    )

    model = of_series(tmp_path, [LSTM, AFFINE])
    export(model, "c", tmp_path / "values")
    main = "#include <stdio.h>\n" + '#include "small.h"\n'
    main += "int main(void) { double u[2] = {210, 3}; float x[2];\n"
    main += "small_scale_inputs(u, x); double v[2]; small_unscale_outputs(x, v);\n"
    main += 'printf("%.9g %.9g %.17g %.17g\\n", x[0], x[1], v[0], v[1]); return 0; }\n'
    (tmp_path / "values" / "main.c").write_text(main)
    line = ["gcc", *FLAGS, "-o", "main", "main.c", "small.c", "-lm"]
    subprocess.run(line, check=True, cwd=tmp_path / "values", capture_output=True)
    done = subprocess.run(
        [tmp_path / "values" / "main"], capture_output=True, text=True, check=True
    )
    found = np.array(done.stdout.split(), np.float64)
    data = model.spec.data
    scaled = data.to_scale(np.array([[[210.0, 3.0]]]))
    np.testing.assert_allclose(found[:2], scaled[0, 0], rtol=1e-7)
    np.testing.assert_allclose(found[2:], data.to_units(scaled)[0, 0], rtol=1e-12)


def test_what_has_no_step_is_refused_all_at_once(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError) as error:
        export(of_sequences(tmp_path, BOTH_WAYS), "c", tmp_path / "out")
    assert [problem.message for problem in error.value.problems] == [
        "layer 1.bidirectional: it reads later inputs, which a step does not have"
    ]
    pair: Model = of_pairs(
        tmp_path,
        [EMBEDDING, GRU],
        [ONE_HOT, GRU, {"type": "attention"}, AFFINE],
    )
    with pytest.raises(CheckpointError) as error:
        export(pair, "c", tmp_path / "out")
    assert [problem.message for problem in error.value.problems] == [
        "an encoder reads its whole source before the first step",
        "layer decoder.2.attention: it reads what an encoder gave, and a step has one input",
    ]
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("name", "prefix"),
    [("double", "double"), ("printf", "printf"), ("Model-1", "model_1"), ("1st", "model_1st")]
    + [("math", "model_math"), ("_stdint", "model__stdint"), ("stdint", "model_stdint")],
)
def test_every_name_of_a_spec_compiles(name: str, prefix: str, tmp_path: Path) -> None:
    model = of_series(tmp_path, [{"type": "gru", "units": 1}, AFFINE])
    named = replace(model, spec=model.spec.model_copy(update={"name": name}))
    export(named, "c", tmp_path / "out")
    assert (tmp_path / "out" / f"{prefix}.h").is_file()


def test_what_a_compiler_says_of_a_source_is_told(tmp_path: Path) -> None:
    source, model = tmp_path / "model.c", of_text(tmp_path, [EMBEDDING, AFFINE])
    source.write_text("int model_step(void) { return missing; }")
    with (
        pytest.raises(ThresholdError, match=r"EXPORT_DIFFERS\] .* refuses it: .*missing"),
        compiled_source(source, "model", model.network),
    ):
        pass
