"""The spec: JSON to a validated value, every error with its line and column."""

from rnnkit.spec.model import Spec as Spec
from rnnkit.spec.model import canonical_json as canonical_json
from rnnkit.spec.read import Document as Document
from rnnkit.spec.read import parse_spec as parse_spec
from rnnkit.spec.read import read_spec as read_spec
from rnnkit.spec.schema import json_schema as json_schema

__all__ = ["Document", "Spec", "canonical_json", "json_schema", "parse_spec", "read_spec"]
