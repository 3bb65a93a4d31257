r"""Region -> URL, by the rules that AWS publishes for `cognito-identity`.

This file owns the partitions and the shape of a region.
A host is never built from anything but a checked region. Patterns are matched whole and in ASCII,
because Python's `\w` is Unicode and its `$` passes a newline.
"""

import re
from typing import NamedTuple

from amplify_federation.errors import ConfigurationError

REGION = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?", re.ASCII)
_LOOPBACK = r"(?:.+\.)?localhost|127(?:\.\d{1,3}){3}|::1"
# us regions whose FIPS host also answers IPv6, from the service's endpoint rule set.
_FIPS_DUALSTACK_PLAIN = frozenset({"us-east-1", "us-east-2", "us-west-1", "us-west-2"})


class Partition(NamedTuple):
    """A separate AWS: its regions and its two DNS suffixes."""

    name: str
    regions: str
    suffix: str
    dualstack_suffix: str


PARTITIONS = (
    Partition("aws", r"(us|eu|ap|sa|ca|me|af|il|mx)-\w+-\d+", "amazonaws.com", "api.aws"),
    Partition("aws-cn", r"cn-\w+-\d+", "amazonaws.com.cn", "api.amazonwebservices.com.cn"),
    Partition("aws-eusc", r"eusc-(de)-\w+-\d+", "amazonaws.eu", "api.amazonwebservices.eu"),
    Partition("aws-iso", r"us-iso-\w+-\d+", "c2s.ic.gov", "api.aws.ic.gov"),
    Partition("aws-iso-b", r"us-isob-\w+-\d+", "sc2s.sgov.gov", "api.aws.scloud"),
    Partition("aws-iso-e", r"eu-isoe-\w+-\d+", "cloud.adc-e.uk", "api.cloud-aws.adc-e.uk"),
    Partition("aws-iso-f", r"us-isof-\w+-\d+", "csp.hci.ic.gov", "api.aws.hci.ic.gov"),
    Partition("aws-us-gov", r"us-gov-\w+-\d+", "amazonaws.com", "api.aws"),
)


def partition_of(region: str) -> Partition:
    """Return the partition of a region; one that no rule names is taken for `aws`."""
    for partition in PARTITIONS:
        if re.fullmatch(partition.regions, region, re.ASCII):
            return partition
    return PARTITIONS[0]


def check_partition(region: str) -> None:
    """Raise `ConfigurationError` for a checked region that no partition has.

    Not of a pool with an endpoint of its own: emulators name regions as they like.
    """
    if any(re.fullmatch(each.regions, region, re.ASCII) for each in PARTITIONS):
        return
    undashed = re.fullmatch(r"([a-z]{2})-?([a-z]+)-?(\d+)", region, re.ASCII)
    meant = "-".join(undashed.groups()) if undashed else ""
    known = any(re.fullmatch(each.regions, meant, re.ASCII) for each in PARTITIONS)
    shown = meant if known else "us-west-2"
    message = (
        f"{region!r} is the region of no AWS partition; regions look like {shown!r}. For one that "
        "is newer than this package, pass `endpoint_url` to `IdentityPool`."
    )
    raise ConfigurationError(message)


def checked_region(region: object) -> tuple[str, bool]:
    """Return the plain region and whether its spelling asks for FIPS.

    Raises `ConfigurationError` for anything that is not a host label.
    """
    if not isinstance(region, str) or not REGION.fullmatch(region):
        message = f"{region!r:.80} is not an AWS region; give one such as 'us-west-2'."
        raise ConfigurationError(message)
    plain = region.removeprefix("fips-").removesuffix("-fips")
    if not REGION.fullmatch(plain):
        message = f"{region!r} names no region beside FIPS; give one such as 'us-west-2'."
        raise ConfigurationError(message)
    return plain, plain != region


def is_loopback(host: str | None) -> bool:
    """Tell whether a URL's host is this machine."""
    return re.fullmatch(_LOOPBACK, host or "", re.ASCII) is not None


def sts_endpoint_for(region: str, *, use_fips: bool = False) -> str:
    """Return the URL of the regional STS of a checked region, without a trailing slash."""
    service = "sts-fips" if use_fips else "sts"
    return f"https://{service}.{region}.{partition_of(region).suffix}"


def endpoint_for(region: str, *, use_fips: bool = False, use_dualstack: bool = False) -> str:
    """Return the endpoint URL of a checked region, without a trailing slash."""
    partition = partition_of(region)
    service = "cognito-identity-fips" if use_fips else "cognito-identity"
    if use_fips and use_dualstack:
        plain = region in _FIPS_DUALSTACK_PLAIN
    else:
        plain = not use_dualstack or partition.name == "aws"
    suffix = partition.suffix if plain else partition.dualstack_suffix
    return f"https://{service}.{region}.{suffix}"
