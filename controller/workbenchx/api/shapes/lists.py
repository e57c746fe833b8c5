"""Lists whose items differ: one check here, and the same promise to the API server."""

from typing import Any

import pydantic
from pydantic import json_schema
from pydantic_core import PydanticCustomError, core_schema

LIST_TYPE = "x-kubernetes-list-type"
MAP_KEYS = "x-kubernetes-list-map-keys"


class Distinct:
    """Metadata of a list: no two items have the same `key`; without a key, no two items are the same."""

    def __init__(self, key: str | None = None) -> None:
        self.key = key

    def _check(self, items: list[Any]) -> list[Any]:
        seen: set[Any] = set()
        for item in items:
            value = getattr(item, self.key) if self.key else item
            if value in seen:
                raise PydanticCustomError(
                    "duplicate",
                    "has {field} {value} twice (each must be different)",
                    {"field": self.key or "the item", "value": f'"{value}"'},
                )
            seen.add(value)
        return items

    def __get_pydantic_core_schema__(
        self, source: Any, handler: pydantic.GetCoreSchemaHandler
    ) -> core_schema.CoreSchema:
        return core_schema.no_info_after_validator_function(self._check, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: core_schema.CoreSchema, handler: pydantic.GetJsonSchemaHandler
    ) -> json_schema.JsonSchemaValue:
        made = handler(schema)
        made[LIST_TYPE] = "map" if self.key else "set"
        if self.key:
            made[MAP_KEYS] = [self.key]
        return made
