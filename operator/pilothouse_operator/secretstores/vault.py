"""Secrets of Vault's KV engine, version 2: https://developer.hashicorp.com/vault/api-docs/secret/kv/kv-v2."""

import functools
import json
from collections.abc import Mapping
from typing import Any

import hvac  # type: ignore[import-untyped]  # it has no types
import requests

from pilothouse_api.conditions import Reason
from pilothouse_api.secret import Secret
from pilothouse_operator.clouds.vault import Answer, Place, Vault
from pilothouse_operator.compile.identities import Address, VaultAddress
from pilothouse_operator.ports import Fault, Fetched


class VaultStore:
    """Reads one secret a call; its members come as a JSON object."""

    def __init__(self, *, vault: Vault) -> None:
        self._vault = vault

    async def fetch(self, address: Address, sign_in: Mapping[str, Secret], *, known: str | None) -> Fetched | None:
        """`sign_in` may hold `token`. None: the version is `known` still. Raises Fault."""
        if not isinstance(address, VaultAddress):
            raise TypeError(f"not an address of Vault: {type(address).__name__}")
        _must_be_plain(address)
        place = Place(server=address.server, namespace=address.namespace, ca_bundle=address.ca_bundle)
        token = sign_in.get("token")
        answer = await self._vault.ask(place, address.identity, token, functools.partial(_read, address))
        if answer.status != 200:
            raise _fault(address, answer, own=token is None)
        fetched = _fetched(address, answer)
        return None if fetched.version == known else fetched


def _read(address: VaultAddress, client: hvac.Client) -> requests.Response:
    response: requests.Response = client.secrets.kv.v2.read_secret_version(
        path=address.path,
        mount_point=address.mount,
        version=address.version or None,
        raise_on_deleted_version=False,
    )
    return response


def _fetched(address: VaultAddress, answer: Answer) -> Fetched:
    content, metadata = _parts(answer)
    number, created = metadata.get("version"), metadata.get("created_time")
    if not isinstance(content, dict) or not isinstance(number, int):
        message = (
            f"{_secret(address)} is not as KV version 2 gives it: is the mount {address.mount!r} an engine of version "
            "1? Enable versions there (vault kv enable-versioning), or name the mount of one that has them"
        )
        raise Fault(message, reason=Reason.SECRET_MALFORMED, passing=False, field="mount")
    # A secret that was deleted with its metadata begins at version 1 again: the time tells them apart.
    return Fetched(value=Secret(json.dumps(content, ensure_ascii=False)), version=f"{number} ({created})")


def _parts(answer: Answer) -> tuple[Any, Mapping[str, Any]]:
    """The members and the metadata of the version; of one that is deleted only the latter."""
    around = answer.body.get("data")
    if not isinstance(around, dict):
        return None, {}
    metadata = around.get("metadata")
    return around.get("data"), metadata if isinstance(metadata, dict) else {}


def _fault(address: VaultAddress, answer: Answer, *, own: bool) -> Fault:
    secret = _secret(address)
    match answer.status:
        case 404:
            return _missing(address, answer)
        case 403:
            who = f"the role {address.identity.role!r}" if own else "the token"
            message = (
                f"{who} may not read {secret}, or the token has ended: give it a policy with the capability read on "
                f"{address.mount.strip('/')}/data/{address.path.strip('/')}. Vault says the same where no engine is "
                f"mounted at {address.mount!r}"
            )
            return Fault(message, reason=Reason.SECRET_FORBIDDEN, passing=False, field="path" if own else "token")
        case status:
            message = f"{secret} cannot be read: Vault answers with status {status}. Check mount and path"
            return Fault(message, reason=Reason.STORE_UNAVAILABLE, passing=False, field="path")


def _missing(address: VaultAddress, answer: Answer) -> Fault:
    _, metadata = _parts(answer)
    which = f"version {metadata.get('version')} of {_secret(address)}"
    if metadata.get("destroyed") is True:
        message, field = f"{which} is destroyed: write a new version, or name another", "version"
    elif metadata.get("deletion_time"):
        message, field = f"{which} is deleted: undelete it (vault kv undelete), or write a new version", "version"
    elif answer.says("no handler for route"):
        message, field = f"there is no {_secret(address)}: no engine is mounted at {address.mount!r}", "mount"
    elif address.version:
        message, field = (
            f"there is no version {address.version} of {_secret(address)}: name one that there is",
            "version",
        )
    else:
        message = f"there is no {_secret(address)}: write it, or name another. The path is without data/"
        field = "path"
    return Fault(message, reason=Reason.SECRET_NOT_FOUND, passing=False, field=field)


def _must_be_plain(address: VaultAddress) -> None:
    """Clients resolve `..` before they ask: it would read something else than what is named."""
    for field, text in (("path", address.path), ("mount", address.mount), ("auth mount", address.identity.mount)):
        if not text.strip("/") or {".", ".."} & set(text.split("/")):
            message = f"{text!r} is no {field} in Vault: name it from its beginning, without . or .. between slashes"
            raise Fault(message, reason=Reason.SECRET_NOT_FOUND, passing=False, field=field.rpartition(" ")[2])


def _secret(address: VaultAddress) -> str:
    within = f" of the namespace {address.namespace}" if address.namespace else ""
    return f"secret {address.mount.strip('/')}/{address.path.strip('/')}{within} in Vault at {address.server}"
