"""Which of several processes this one is, as torchrun, Slurm or Lightning tell by the environment.

Environment variables enter; numbers leave. Processes are started by those who set the variables. Needs no
torch.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

from lookalike.errors import ConfigError


def is_first(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether this process is the one that writes files and speaks; a lone process is."""
    for name in ("RANK", "SLURM_PROCID"):  # of all machines together
        if name in environment:
            return environment[name] == "0"
    return all(environment.get(name, "0") == "0" for name in ("LOCAL_RANK", "NODE_RANK", "GROUP_RANK"))


def started(environment: Mapping[str, str] = os.environ) -> tuple[int, int] | None:
    """Devices on each machine and number of machines, as torchrun set them; None without torchrun."""
    if "TORCHELASTIC_RUN_ID" not in environment:
        return None
    devices = int(environment["LOCAL_WORLD_SIZE"])
    return devices, int(environment["WORLD_SIZE"]) // devices


def check_several(*, closed_form: bool, environment: Mapping[str, str] = os.environ) -> None:
    """Refuse to solve a closed-form head in several processes at once.

    Raises:
        ConfigError: torchrun has started more than one.
    """
    devices, machines = started(environment) or (1, 1)
    if closed_form and devices * machines > 1:
        raise ConfigError(
            "a closed-form head is solved in one process",
            where="network.head",
            saw=f"closed_form in {devices * machines} processes of torchrun",
            do="start it without torchrun, or train by gradient: --set network.head=linear",
        )
