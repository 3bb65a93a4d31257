from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amplify_federation._model.endpoint import (
    PARTITIONS,
    check_partition,
    checked_region,
    endpoint_for,
    partition_of,
)
from amplify_federation.errors import ConfigurationError

REGIONS = {
    "aws": ("us-west-2", "us-east-1", "eu-central-1", "mx-central-1", "ap-southeast-7"),
    "aws-cn": ("cn-north-1", "cn-northwest-1"),
    "aws-eusc": ("eusc-de-east-1",),
    "aws-iso": ("us-iso-east-1", "us-iso-west-1"),
    "aws-iso-b": ("us-isob-east-1",),
    "aws-iso-e": ("eu-isoe-west-1",),
    "aws-iso-f": ("us-isof-south-1",),
    "aws-us-gov": ("us-gov-west-1", "us-gov-east-1"),
}
# Beside those above: the four whose FIPS host is the dual-stack one, and a region nobody has made.
ALL_REGIONS = [region for regions in REGIONS.values() for region in regions]
ALL_REGIONS += ["us-east-2", "us-west-1", "moon-base-1", "us-gov-moon-9", "eu-west-3"]


@cache
def _aws_rules():
    """Return AWS's own rules for `cognito-identity`, as botocore carries them."""
    loaders = pytest.importorskip("botocore.loaders")
    from botocore.endpoint_provider import EndpointProvider  # noqa: PLC0415  # may be missing

    loader = loaders.create_loader()
    return EndpointProvider(
        loader.load_service_model("cognito-identity", "endpoint-rule-set-1"),
        loader.load_data("partitions"),
    )


@pytest.mark.parametrize("partition", [partition.name for partition in PARTITIONS])
def test_every_partition_is_known_by_its_regions(partition):
    assert {partition_of(region).name for region in REGIONS[partition]} == {partition}


def test_a_region_that_no_rule_names_is_taken_for_the_first_partition():
    assert partition_of("moon-base-1").name == "aws"
    assert partition_of("cn-north-1\n").name == "aws"
    assert partition_of("cn-north-\u0661").name == "aws"


@pytest.mark.parametrize("dual", [False, True], ids=["single", "dual"])
@pytest.mark.parametrize("fips", [False, True], ids=["plain", "fips"])
@pytest.mark.parametrize("region", ALL_REGIONS)
def test_the_url_is_the_one_that_the_rules_of_aws_give(region, fips, dual):
    theirs = _aws_rules().resolve_endpoint(Region=region, UseFIPS=fips, UseDualStack=dual)
    assert endpoint_for(region, use_fips=fips, use_dualstack=dual) == theirs.url


def test_the_partitions_are_those_of_aws():
    partitions = pytest.importorskip("botocore.loaders").create_loader().load_data("partitions")
    theirs = {
        (each["id"], each["outputs"]["dnsSuffix"], each["outputs"]["dualStackDnsSuffix"])
        for each in partitions["partitions"]
    }
    assert {(each.name, each.suffix, each.dualstack_suffix) for each in PARTITIONS} == theirs


@pytest.mark.parametrize(
    ("given", "region", "fips"),
    [
        ("us-west-2", "us-west-2", False),
        ("fips-us-west-2", "us-west-2", True),
        ("us-west-2-fips", "us-west-2", True),
        ("a", "a", False),
        ("a" * 63, "a" * 63, False),
    ],
)
def test_a_region_may_be_spelled_with_fips(given, region, fips):
    assert checked_region(given) == (region, fips)


@pytest.mark.parametrize(
    "region",
    [
        "", "-us", "us-", "us west", "us.west", "us-west-2\n", "US-WEST-2", "us_west", "a" * 64,
        "\u00fcs-west-2", "us-west-\u0662", "evil.com/", "fips-", "-fips", "fips--fips", None, 2,
    ],
)  # fmt: skip
def test_what_is_no_host_label_is_no_region(region):
    with pytest.raises(ConfigurationError):
        checked_region(region)


@given(st.text())
def test_no_text_makes_a_url_of_another_host(text):
    try:
        region, fips = checked_region(text)
    except ConfigurationError:
        return
    url = endpoint_for(region, use_fips=fips)
    assert url.startswith("https://cognito-identity")
    assert url.isascii()
    assert "/" not in url.removeprefix("https://")
    assert url.endswith(tuple(each.suffix for each in PARTITIONS))


@pytest.mark.parametrize(
    ("region", "meant"),
    [("us-west2", "us-west-2"), ("euwest1", "eu-west-1"), ("mars", "us-west-2")],
)
def test_a_region_that_no_partition_has_is_refused_with_the_one_that_was_meant(region, meant):
    with pytest.raises(ConfigurationError, match=f"regions look like '{meant}'"):
        check_partition(region)


@pytest.mark.parametrize("region", ["us-west-2", "cn-north-1", "us-gov-west-1", "mx-central-1"])
def test_a_region_that_a_partition_has_passes(region):
    check_partition(region)
