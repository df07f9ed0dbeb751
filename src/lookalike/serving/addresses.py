"""Who asks, as an address: what a connection or a proxy says enters; only what is an address leaves.

A proxy may hand on any text, of any length: none of it is repeated, and little of it kept.
"""

from __future__ import annotations

import ipaddress
from functools import lru_cache

_LONGEST = 64  # letters of an address, zone included
_KEPT = 4096


def plain_address(host: str) -> str:
    """The address without its zone; empty where it is none.

    >>> plain_address("10.0.0.1"), plain_address("fe80::7%eth0"), plain_address("status=200")
    ('10.0.0.1', 'fe80::7', '')
    """
    return _read(host)[0] if len(host) <= _LONGEST else ""


def network_of(host: str) -> str:
    """Who is counted as one client: an address; of IPv6 the network, for one client has many there.

    >>> network_of("10.0.0.1"), network_of("2001:db8::1:2"), network_of("status=200")
    ('10.0.0.1', '2001:db8::/64', '')
    """
    return _read(host)[1] if len(host) <= _LONGEST else ""


@lru_cache(_KEPT)
def _read(host: str) -> tuple[str, str]:
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return "", ""
    if address.version == 4:
        return str(address), str(address)
    return str(address), str(ipaddress.ip_network((address, 64), strict=False))
