"""Which model each host is to use: the one that is asked for, or the only one that can be meant."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import islice

from outpace.engines.base import Identity, is_pattern, takes
from outpace.engines.failures import clean
from outpace.ground.errors import HostNotPrivate, ModelMissing, UsageError
from outpace.ground.hosts import Host

Found = Sequence[tuple[Host, Identity]]

BY_HOST = "Hosts may call one model differently: --model=HOST=NAME,HOST=NAME says which is which."


def by_host(wanted: str | None, hosts: Sequence[str]) -> dict[str, str]:
    """What ``--model`` asks of ``hosts``: NAME of each of them, or HOST=NAME,HOST=NAME of those.

    Raises ``UsageError`` where it names other hosts.
    """
    if wanted is None:
        return {}
    parts = [part.partition("=") for part in wanted.split(",")]
    if not any(equals for _, equals, _ in parts):
        return dict.fromkeys(hosts, wanted)
    if strangers := [part for part, equals, name in parts if part not in hosts or not equals or not name]:
        raise UsageError(
            f"--model={clean(wanted)}: there is no host {clean(strangers[0])} with a model behind it. Write NAME, or "
            f"HOST=NAME for each host that it matters for; the hosts are {', '.join(hosts)}."
        )
    return {host: name for host, _, name in parts}


def choose(found: Found, asked: Mapping[str, str], *, allow_public: bool = False) -> dict[str, str]:
    """The model of each host that was ``found``, of some of which one is ``asked``.

    Raises ``ModelMissing``, or ``HostNotPrivate`` where somebody else answers for it.
    """
    chosen = {host.name: _asked(host, identity, asked, found) for host, identity in found if host.name in asked}
    left = [(host, identity) for host, identity in found if host.name not in chosen]
    chosen |= _unasked(left, list(chosen.values()), allow_public=allow_public)
    for host, identity in found:
        require_usable(host, identity, chosen[host.name], allow_public=allow_public)
    return chosen


def differently(models: Mapping[str, str]) -> str | None:
    """What is to be said of hosts that call their ``models``, by host, differently; None where they do not."""
    if len(set(models.values())) < 2:
        return None
    called = ", ".join(f"{host} {clean(name, 80)}" for host, name in models.items())
    return f"hosts call their models differently ({called}): whether it is the same one their names do not tell"


def named(identity: Identity, model: str) -> str | None:
    """What a host calls ``model``; None where it does not, or where it is unclear.

    A name may lack its tag ``latest``. Where gateways list patterns, ``*`` takes any name as it is, and ``openai/*``
    any behind that prefix.
    """
    for name in (model, f"{model}:latest"):
        if name in identity.models:
            return name
    if any(takes(name, model) for name in identity.models):
        return model
    prefixes = [name[:-1] for name in identity.models if name.endswith("/*") and name.count("*") == 1]
    return prefixes[0] + model if len(prefixes) == 1 else None


def require_usable(host: Host, identity: Identity, model: str, *, allow_public: bool) -> None:
    """Refuse a model that makes no text, or that somebody else answers for unless the user allows that.

    Raises ``ModelMissing`` or ``HostNotPrivate``.
    """
    offer = identity.offer(model)
    if not offer.makes_text:
        raise ModelMissing(
            f"Host {host.name} ({host.url}) says that its model {clean(model)} makes no text: it embeds or ranks. Name "
            f"another by --model. It has {listed(identity)}."
        )
    if offer.elsewhere and not allow_public:
        raise HostNotPrivate(elsewhere(host, model, offer.elsewhere))


def elsewhere(host: Host, model: str, place: str) -> str:
    """Why a prompt for ``model`` is not sent to ``host``, and what to do."""
    return (
        f"Host {host.name} ({host.url}) does not answer for the model {clean(model)} itself: it sends prompts on to "
        f"{clean(place)}, which is a public address. Name a model that the host runs by --model. If you do mean to "
        "send your prompts there, add --allow-public."
    )


def listed(identity: Identity) -> str:
    """What a host has, in words."""
    shown, more = [clean(name, 80) for name in islice(identity.models, 20)], len(identity.models) - 20
    return ", ".join(shown) + (f" and {more} more" if more > 0 else "") if shown else "none"


def eligible(identity: Identity, *, allow_public: bool = False) -> list[str]:
    """What may be taken without being asked for: models that make text on the host itself.

    One that is an embedder by its name alone is taken where there is no other.
    """
    offers = {name: identity.offer(name) for name in identity.models if not is_pattern(name)}
    found = [name for name, offer in offers.items() if offer.makes_text and (allow_public or not offer.elsewhere)]
    return [name for name in found if offers[name].unasked] or found


def distinct(names: Sequence[str], *identities: Identity) -> list[str]:
    """``names`` without those that are another name of one before, on all of the hosts."""
    own: dict[tuple[str, ...], str] = {}
    for name in names:
        there = [(identity, named(identity, name) or name) for identity in identities]
        own.setdefault(tuple(identity.offer(called).own_name or called for identity, called in there), name)
    return list(own.values())


def _asked(host: Host, identity: Identity, asked: Mapping[str, str], found: Found) -> str:
    """The model that is asked of ``host``, or its only one where another host has what is asked of all of them."""
    wanted = asked[host.name]
    if name := named(identity, wanted):
        return name
    own, of_all = distinct(eligible(identity), identity), [asked.get(other.name) for other, _ in found]
    if len(own) == 1 and set(of_all) == {wanted} and any(named(other, wanted) for _, other in found):
        return own[0]
    raise ModelMissing(
        f"Host {host.name} ({host.url}) does not have the model {clean(wanted)}. It has {listed(identity)}. Name one "
        f"that all hosts have by --model, or install it there. {BY_HOST}"
    )


def _unasked(left: Found, chosen: Sequence[str], *, allow_public: bool) -> dict[str, str]:
    """The models of the hosts that are ``left``: what all have, or the same by other names, or the only one of each."""
    taken: dict[str, str] = {}
    offered: dict[str, list[str]] = {}
    listing: dict[str, Identity] = {}
    for host, identity in left:
        own = eligible(identity, allow_public=allow_public)
        same = {name for model in chosen if (name := named(identity, model))}
        same = same or {name for name in own if any(_alike(name, model) for model in chosen)}
        if len(same) == 1:
            taken[host.name] = same.pop()
        elif own or any(map(is_pattern, identity.models)):
            offered[host.name], listing[host.name] = own, identity
        else:
            _raise_for_none(host, identity)
    if not offered:
        return taken
    common = _loaded_first(_common(offered, listing), listing)
    if len(common) > 1:
        raise ModelMissing(
            f"There are several models that {'all hosts' if len(offered) > 1 else next(iter(offered))} could use: "
            f"{', '.join(clean(name, 80) for name in common[:20])}. Say by --model which one is meant. {BY_HOST}"
        )
    if common:
        return taken | {host: str(named(identity, common[0])) for host, identity in listing.items()}
    return taken | _by_other_names(offered, listing)


def _common(offered: Mapping[str, Sequence[str]], listing: Mapping[str, Identity]) -> list[str]:
    """The models that all hosts have, each by one name; one that lists patterns alone has any that they take."""
    common = [
        name
        for name in dict.fromkeys(name for own in offered.values() for name in own)
        if all(
            (there := named(identity, name)) and (there in offered[host] or there not in identity.models)
            for host, identity in listing.items()
        )
    ]
    return distinct(common, *listing.values())


def _loaded_first(common: list[str], listing: Mapping[str, Identity]) -> list[str]:
    """Those of several models that are loaded on all hosts, or else on any; all where none is known to be."""
    for on in (all, any):
        loaded = [
            name
            for name in common
            if on(identity.offer(str(named(identity, name))).loaded is True for identity in listing.values())
        ]
        if loaded:
            return loaded
    return common


def _by_other_names(offered: Mapping[str, list[str]], listing: Mapping[str, Identity]) -> dict[str, str]:
    """The only model of each host, and of hosts with several the one that is called as theirs in other words."""
    own = {host: distinct(names, listing[host]) for host, names in offered.items()}
    only = {host: names[0] for host, names in own.items() if len(names) == 1}
    for host in own.keys() - only.keys():
        alike = [name for name in own[host] if only and all(_alike(name, other) for other in only.values())]
        if len(alike) == 1:
            only[host] = alike[0]
    if len(only) < len(offered):
        has = "; ".join(f"{host} has {listed(identity)}" for host, identity in listing.items())
        raise ModelMissing(
            f"The hosts have no model in common: {has}. Install the same model on all, and name it by --model. "
            f"{BY_HOST}"
        )
    return only


def _alike(one: str, other: str) -> bool:
    """Whether one name says all that the other does, as that of a GGUF file says what Ollama calls the model."""
    plain = [re.sub(r"[^a-z0-9]", "", name.lower().removesuffix(":latest")) for name in (one, other)]
    short, long = sorted(plain, key=len)
    return len(short) > 2 and short in long


def _raise_for_none(host: Host, identity: Identity) -> None:
    if not identity.models:
        raise ModelMissing(f"Host {host.name} ({host.url}) has no model: install one there, the same on all hosts.")
    elsewhere_all = [name for name in identity.models if identity.offer(name).elsewhere]
    why = (
        "sends prompts on to others for the models that it has, and runs none itself"
        if elsewhere_all
        else "has no model that is known to make text"
    )
    raise ModelMissing(
        f"Host {host.name} ({host.url}) {why}: it has {listed(identity)}. Install one there, or name one by --model."
    )
