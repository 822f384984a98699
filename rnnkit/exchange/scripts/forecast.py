"""What comes after a CSV, from the series model in model.onnx: python forecast.py today.csv."""

import argparse
import csv
import json
import sys
from pathlib import Path

import numpy as np
import onnxruntime


def main() -> None:
    """Print a CSV: the horizon, in rows after the last one, and each target in its units."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("csv", help="rows in the order of time, with the columns of the model")
    parser.add_argument("--delimiter", default=",")
    asked = parser.parse_args()
    session = onnxruntime.InferenceSession(str(Path(__file__).with_name("model.onnx")))
    facts = json.loads(session.get_modelmeta().custom_metadata_map["rnnkit"])
    series, scales = facts["series"], facts["scales"]
    try:
        with open(asked.csv, newline="", encoding="utf-8-sig") as file:
            rows = list(csv.DictReader(file, delimiter=asked.delimiter))
        values = np.array([[float(row[key]) for key in series["columns"]] for row in rows])
        if not (values.size and np.isfinite(values).all()):
            raise ValueError("it needs rows, with a finite number in each column")
    except KeyError as error:
        sys.exit(f"{asked.csv}: there is no column {error}")
    except (OSError, TypeError, ValueError) as error:
        sys.exit(f"{asked.csv}: {error}")
    if scales:
        scale = scales["inputs"]
        values = (values - np.array(scale["offset"])) / np.array(scale["factor"])
    zeros = {e.name: np.zeros((1, e.shape[1]), np.float32) for e in session.get_inputs()[1:]}
    (ys, *_) = session.run(None, {"inputs": values.astype(np.float32)[:, None], **zeros})
    found = ys[-1, 0].astype(np.float64)
    if scales:
        scale = scales["outputs"]
        found = found * np.array(scale["factor"]) + np.array(scale["offset"])
    out = csv.writer(sys.stdout, lineterminator="\n")
    out.writerow(["horizon", *series["targets"]])
    for horizon, row in zip(
        series["horizons"], found.reshape(-1, len(series["targets"])).tolist(), strict=True
    ):
        out.writerow([horizon, *row])


if __name__ == "__main__":
    main()
