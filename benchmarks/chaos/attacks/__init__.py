"""Every attack by its name, in the order of the table."""

from benchmarks.chaos.attack import Attack
from benchmarks.chaos.attacks import (
    callers,
    http_edge,
    model_servers,
    origins,
    pictures,
    redis_servers,
    texts,
    uploads,
)

ATTACKS: dict[str, Attack] = {
    attack.name: attack
    for module in (
        texts, pictures, origins, model_servers, redis_servers, http_edge, callers, uploads,
    )
    for attack in module.ATTACKS
}  # fmt: skip
