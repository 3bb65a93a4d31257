"""The table of operations is AWS's published model, as botocore carries it."""

import pytest

from amplify_federation.testing._service.model import (
    OPERATIONS,
    Flag,
    ListOf,
    MapOf,
    Number,
    Structure,
    Text,
)


@pytest.fixture(scope="module")
def model():
    loaders = pytest.importorskip("botocore.loaders", reason="botocore is not installed")
    return loaders.Loader().load_service_model("cognito-identity", "service-2")


def published(shapes, name):
    """Return a shape of AWS's model in the words of the table."""
    shape = shapes[name]
    low, high = shape.get("min"), shape.get("max")
    match shape["type"]:
        case "string":
            sensitive = shape.get("sensitive", False)
            return Text(low, high, shape.get("pattern"), tuple(shape.get("enum", ())), sensitive)
        case "integer" | "long":
            return Number(low, high)
        case "boolean":
            return Flag()
        case "list":
            return ListOf(published(shapes, shape["member"]["shape"]), low, high)
        case "map":
            key, value = (published(shapes, shape[part]["shape"]) for part in ("key", "value"))
            return MapOf(key, value, high)
        case "structure":
            members = shape["members"].items()
            return Structure(
                {name: published(shapes, member["shape"]) for name, member in members},
                frozenset(shape.get("required", ())),
            )


def test_table_has_every_operation_of_the_published_model(model):
    assert set(OPERATIONS) == set(model["operations"])
    assert len(OPERATIONS) == 23


@pytest.mark.parametrize("name", OPERATIONS)
def test_table_says_what_the_published_model_says(model, name):
    operation = model["operations"][name]
    assert OPERATIONS[name].input == published(model["shapes"], operation["input"]["shape"])
    assert OPERATIONS[name].errors == {error["shape"] for error in operation["errors"]}
    assert OPERATIONS[name].signed == (operation.get("authtype") != "none")
