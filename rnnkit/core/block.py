"""A block of a spec: the validated JSON object is the layer, the loss, the optimizer itself.

A block is frozen and strict, refuses unknown keys, and names its class by `type`. Blocks that hold
other blocks (a wrapper around a layer, the tokenizer of a dataset) declare them with
`nested(group)`; the class is looked up in the `catalog` of Pydantic's validation context, so no
file imports a concrete plugin.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Protocol

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    ValidationError,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from rnnkit.core.validation import options_error

if TYPE_CHECKING:
    from pydantic._internal._model_construction import ModelMetaclass as _Metaclass
else:
    _Metaclass = type(BaseModel)

Size = Annotated[int, Field(ge=1, le=65536)]
"""A number of features, streams or steps."""

MAX_WIDTH = 2**24
Width = Annotated[int, Field(ge=1, le=MAX_WIDTH)]
"""A number of features that the data decides, such as the size of a vocabulary."""

Rate = Annotated[float, Field(ge=0, lt=1)]
"""A probability below 1."""

Name = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_-]{0,63}\z")]
"""A name that is safe in a file, in HDF5 and on a terminal."""


class _Called(_Metaclass):
    """Makes a call in Python take lists for tuples, and say in sentences what is wrong.

    What is read from a spec or a checkpoint is made without a call.
    """

    if not TYPE_CHECKING:  # editors and type checkers see the fields

        def __call__(cls, *args: Any, **options: Any) -> Any:
            """Return an object with these fields; raises ValueError for wrong ones, all at once."""
            if not cls.__pydantic_complete__:  # its annotations name what the caller has
                cls.model_rebuild(raise_errors=False, _parent_namespace_depth=3)
            try:
                return super().__call__(*args, **{k: _tuples(v) for k, v in options.items()})
            except ValidationError as error:
                raise options_error(error, cls.__name__, cls.model_fields) from None


def _tuples(value: Any) -> Any:
    """Return a value whose lists, inner ones too, are tuples."""
    return tuple(map(_tuples, value)) if isinstance(value, list) else value


class Record(BaseModel, metaclass=_Called):
    """A frozen, strict JSON object: no unknown keys, strings for numbers, NaN, infinity."""

    model_config = ConfigDict(
        frozen=True, strict=True, extra="forbid", allow_inf_nan=False, str_max_length=65536
    )


class Block(Record):
    """A JSON object that names its class by `type`."""

    entry_group: ClassVar[str]
    """The entry-point group that offers classes of this kind, such as `rnnkit.layers`."""

    version: ClassVar[int] = 1
    """Raised by the author when a stored block or state of an older version no longer fits."""

    type: str

    @classmethod
    def migrate(cls, block: dict[str, Any], from_version: int) -> dict[str, Any]:
        """Return a stored block of an older `version` in today's form."""
        return block


def stands_for(block: Block, short: str, *methods: str) -> bool:
    """Tell whether the method `short` still does what `methods` do: no subclass changed those."""
    return _stands_for(type(block), short, methods)


@cache
def _stands_for(kind: type[Block], short: str, methods: tuple[str, ...]) -> bool:
    own = [vars(each) for each in kind.__mro__]

    def defined(name: str) -> int:
        return next(place for place, names in enumerate(own) if name in names)

    return all(defined(short) <= defined(method) for method in methods)


class Catalog(Protocol):
    """Finds the class of a type name; the registry is one."""

    def find(self, group: str, name: str) -> type[Block]:
        """Return the class, or raise PluginError."""
        ...


def parse_block(group: str, value: object, context: Mapping[str, Any] | None) -> Block:
    """Validate a JSON object as the class that its `type` names.

    Errors are Pydantic's: of the class itself, or `block` and `block_type` with the reason in the
    message.
    """
    if isinstance(value, Block):
        return value
    if not isinstance(value, dict):
        raise PydanticCustomError("block", "expected an object with a type")
    name = value.get("type")
    if not isinstance(name, str):
        raise PydanticCustomError("block_type", "expected a type name")
    if context is None or "catalog" not in context:
        message = 'expected an object such as rnnkit.Adam(...), not the dictionary of "{type}"'
        raise PydanticCustomError("block", message, {"type": name})
    catalog: Catalog = context["catalog"]
    try:
        cls = catalog.find(group, name)
    except Exception as error:
        problem = getattr(error, "problems", None)
        if not problem:
            raise
        raise PydanticCustomError(
            "plugin", "{message}", {"message": problem[0].message, "code": problem[0].code}
        ) from error
    # Strict JSON mode accepts a list for a tuple and an integer for a float; strict Python mode
    # would not.
    found: Block = cls.model_validate_json(json.dumps(value), context=dict(context))
    return found


@dataclass(frozen=True)
class nested:
    """Annotation of a field that holds a block of `group`."""

    group: str

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        """Validate by `type`, serialize as the block's own class."""

        def parse(value: object, info: core_schema.ValidationInfo[Any]) -> Block:
            return parse_block(self.group, value, info.context)

        def dump(block: Block) -> dict[str, Any]:
            return block.model_dump(mode="json")

        return core_schema.with_info_plain_validator_function(
            parse, serialization=core_schema.plain_serializer_function_ser_schema(dump)
        )

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """Refer to the definition that `rnnkit schema` writes for the group."""
        return {"$ref": f"#/$defs/{self.group}"}
