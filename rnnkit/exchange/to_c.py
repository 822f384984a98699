"""A model as one C99 header and one source file: no allocation, no dependency but libm.

`NAME_step(state, x, y)` runs one step: x is an id, or NAME_INPUTS floats on the model's scale, and
y takes NAME_OUTPUTS floats: logits, or what the model estimates. A state begins as zeros
(`NAME_init`). NAME is the name of the spec.
"""

from __future__ import annotations

import re
from pathlib import Path

from rnnkit.exchange.c_layers import reason, write_step
from rnnkit.exchange.c_proof import compiled_source
from rnnkit.exchange.c_source import (
    SourceFile,
    c_identifier,
    constants,
    definition,
    string_literals,
)
from rnnkit.exchange.pieces import pieces_of, refusals
from rnnkit.exchange.proof import Proof, prove_network
from rnnkit.exchange.trained import Trained
from rnnkit.version import VERSION


class C:
    """Writes NAME.h and NAME.c, and has a C compiler prove them."""

    def refusals(self, model: Trained) -> list[str]:
        """Refuse layers that are no function of one step."""
        pieces = pieces_of(model.network, model.store.values)
        pair = ["an encoder reads its whole source before the first step"]
        return (pair if model.network.reads_source else []) + refusals(
            pieces, reason, equations=True
        )

    def write(self, model: Trained, folder: Path, verified: bool) -> None:
        """Write the two files."""
        name, source = c_name(model), SourceFile()
        step = _step(model, source, name)
        extras = _vocabulary(model, name) + _scales(model, name)
        note = "" if verified else "Not verified: nobody has compared it with the model. "
        head = f"/* The model {model.spec.name}, written by rnnkit {VERSION}. {note}*/\n"
        (folder / f"{name}.h").write_text(head + _header(model, source, name, extras))
        parts = [
            f'{head}#include "{name}.h"\n\n#include <math.h>\n#include <string.h>\n',
            source.helpers(),
            *source.arrays,
            *source.functions,
            definition(
                "void", f"{name}_init", f"{name}_state *state", "memset(state, 0, sizeof *state);"
            ),
            step,
            *(code for _, code in extras),
        ]
        (folder / f"{name}.c").write_text("\n".join(parts))

    def prove(self, model: Trained, folder: Path) -> Proof:
        """Compile the files and run every stream step by step."""
        name = c_name(model)
        with compiled_source(folder / f"{name}.c", name, model.network) as (run, compiler):
            return prove_network(model.network, model.store.values, run, compiler)


def c_name(model: Trained) -> str:
    """Return the name of the model as C takes it, which every name of the files begins with."""
    name = re.sub(r"\W", "_", model.spec.name, flags=re.ASCII).lower()
    return name if name[0].isalpha() and name not in HEADERS else f"model_{name}"


def _step(model: Trained, source: SourceFile, name: str) -> str:
    """Add all layers; return the function that calls them."""
    network, reads = model.network, "x"
    pieces = pieces_of(network, model.store.values)
    body = []
    if network.inputs.ids:
        body.append(f"if (x < 0 || x >= {network.inputs.known()})\n    return -1;")
    for at, piece in enumerate(pieces):
        own = f"{name}_{at}_{c_identifier(piece.type)}"
        call = write_step(source, piece, own, c_identifier(f"s{piece.name}"))
        writes = "y" if at == len(pieces) - 1 else f"y{at}"
        if writes != "y":
            body.append(f"float {writes}[{piece.gives.known()}];")
        body.append(call.format(x=reads, y=writes))
        reads = writes
    if not source.fields:
        body.insert(0, "(void)state;")
    signature = f"{name}_state *state, {_input(model)}, float *y"
    return definition("int", f"{name}_step", signature, "\n".join([*body, "return 0;"]))


def _input(model: Trained) -> str:
    return "int32_t x" if model.network.inputs.ids else "const float *x"


def _header(model: Trained, source: SourceFile, name: str, extras: list[tuple[str, str]]) -> str:
    guard, fields = f"{name.upper()}_H", source.fields or [("none", 1)]
    state = "".join(f"    float {key}[{width}];\n" for key, width in fields)
    ids = model.network.inputs.ids
    what = "an id; -1 is returned, and nothing done, for one that is none" if ids else "values"
    return f"""\
#ifndef {guard}
#define {guard}

#include <stddef.h>
#include <stdint.h>

#define {name.upper()}_INPUTS {model.network.inputs.known()}
#define {name.upper()}_OUTPUTS {model.network.outputs.known()}

/* The hidden state of one stream. */
typedef struct {{
{state}}} {name}_state;

/* Start a stream. */
void {name}_init({name}_state *state);

/* Run one step: x is {what}; y takes {name.upper()}_OUTPUTS numbers. */
int {name}_step({name}_state *state, {_input(model)}, float *y);
{"".join(f"{chr(10)}{declared}{chr(10)}" for declared, _ in extras)}
#endif
"""


def _vocabulary(model: Trained, name: str) -> list[tuple[str, str]]:
    """Return the tokens by id, and their bytes, since a token may hold a zero."""
    if model.vocabulary is None:
        return []
    tokens = model.vocabulary.tokens
    size = len(tokens)
    lengths = ", ".join(str(len(t.encode(errors="surrogateescape"))) for t in tokens)
    return [
        (
            f"/* The tokens by id, in UTF-8, and their bytes. */\n"
            f"extern const char *const {name}_tokens[{size}];",
            string_literals("const char *const", f"{name}_tokens", tokens),
        ),
        (
            f"extern const int32_t {name}_token_bytes[{size}];",
            f"const int32_t {name}_token_bytes[{size}] = {{{lengths}}};\n",
        ),
    ]


def _scales(model: Trained, name: str) -> list[tuple[str, str]]:
    """Return functions to and from the units of the data."""
    scales, found = model.spec.data.scales(), []
    for side, verb, signature, line in SCALES:
        if side not in scales:
            continue
        own = f"{name}_{side}"
        arrays = "".join(
            constants("static const double", f"{own}_{key}", scales[side][key])
            for key in ("offset", "factor")
        )
        width = len(scales[side]["offset"])
        body = f"for (int j = 0; j < {width}; j++)\n    {line.replace('SCALE', own)}"
        note = f"/* {'From' if side == 'inputs' else 'To'} the units of the data. */\n"
        code = arrays + definition("void", f"{name}_{verb}", signature, body)
        found.append((f"{note}void {name}_{verb}({signature});", code))
    return found


SCALES = (
    (
        "inputs",
        "scale_inputs",
        "const double *units, float *x",
        "x[j] = (float)((units[j] - SCALE_offset[j]) / SCALE_factor[j]);",
    ),
    (
        "outputs",
        "unscale_outputs",
        "const float *y, double *units",
        "units[j] = y[j] * SCALE_factor[j] + SCALE_offset[j];",
    ),
)
"""Of each side: its function, what that takes, and how it treats a value."""

HEADERS = {
    *("assert", "complex", "ctype", "errno", "fenv", "float", "inttypes", "iso646", "limits"),
    *("locale", "math", "setjmp", "signal", "stdarg", "stdbool", "stddef", "stdint", "stdio"),
    *("stdlib", "string", "tgmath", "time", "wchar", "wctype"),
}
"""Names that a file of ours must not take from one of C99's own."""

TARGET = C()
