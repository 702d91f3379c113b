"""Compiler inputs out of manifests, for goldens and for tests of what the compiler promises."""

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
import yaml

from pilothouse_api.conditions import Problem, Reason
from pilothouse_api.names import API_VERSION, GATEWAY_SCOPE, ProviderKey, Scope, sidecar_scope
from pilothouse_api.secret import Secret
from pilothouse_api.snapshot.credentials import AccessKey, APIKey, Basic, BearerToken, Credential, NoCredential
from pilothouse_api.snapshot.facts import Facts
from pilothouse_api.snapshot.identity import Identity
from pilothouse_api.snapshot.snapshot import Snapshot
from pilothouse_operator.compile.discovered import UNKNOWN, Catalogue, Discovered, FoundModel, knows_nothing
from pilothouse_operator.compile.identities import AWSSession, BedrockForm, EntraAccess
from pilothouse_operator.compile.sign_ins import sign_ins
from pilothouse_operator.compile.world import (
    Compiled,
    CredentialState,
    IdentityAccess,
    Inputs,
    Kind,
    Resource,
    ResourceKey,
    SignIn,
    SignInKind,
    Verdict,
    World,
)

CREATED = "2026-01-01T00:00:00Z"
SECRET_MARK = "GOLDEN-SECRET"
"""In every secret value of these inputs: no verdict may hold it."""
EXPIRES = 1_767_229_200


def inputs_of(text: str) -> Inputs:
    """From a file of manifests: our kinds, Namespaces, and at most one document of kind Inputs.

    The latter may hold `credentials` (by provider: `credential: last-good | none` beside a `problem`, or a `note`),
    `unreadable` (problems by resource), `identity`, `access` (`namespaces`, `endpoints`), `scopes`, `discovered`
    (`models`, `problem` by provider) and `catalogue` (facts by place and name). Else every provider
    has a credential, every namespace its sidecars, and everybody may use the operator's identity.
    """
    documents = [document for document in yaml.safe_load_all(text) if document is not None]
    extras = next((document for document in documents if document["kind"] == "Inputs"), {})
    namespaces = {
        document["metadata"]["name"]: document["metadata"].get("labels", {})
        for document in documents
        if document["kind"] == "Namespace"
    }
    resources = [
        resource(document, extras.get("unreadable", {}))
        for document in documents
        if document.get("apiVersion") == API_VERSION
    ]
    for found in resources:
        namespaces.setdefault(found.key.namespace, {})
    return gathered(
        resources,
        namespaces,
        credentials=extras.get("credentials", {}),
        identity=msgspec.convert(extras.get("identity", {}), Identity),
        scopes=extras.get("scopes"),
        access=IdentityAccess(**{name: frozenset(some) for name, some in extras.get("access", {}).items()}),
        discovered=extras.get("discovered", {}),
        catalogue=catalogue_of(extras.get("catalogue", {})),
    )


def resource(document: Mapping[str, Any], unreadable: Mapping[str, Any]) -> Resource:
    """What a source would make of one manifest."""
    metadata = document["metadata"]
    key = ResourceKey(Kind(document["kind"]), metadata.get("namespace", "default"), metadata["name"])
    problem = unreadable.get(str(key))
    return Resource(
        key=key,
        uid=f"uid of {key}",
        resource_version="1",
        generation=metadata.get("generation", 1),
        created=metadata.get("creationTimestamp", CREATED),
        spec=document.get("spec", {}),
        problem=None if problem is None else problem_of(problem),
    )


def gathered(
    resources: Iterable[Resource],
    namespaces: Mapping[str, Mapping[str, str]],
    *,
    credentials: Mapping[str, Any] = {},
    identity: Identity = Identity(),  # noqa: B008 - frozen
    scopes: Iterable[str] | None = None,
    access: IdentityAccess = IdentityAccess(),  # noqa: B008 - frozen
    discovered: Mapping[str, Any] = {},
    catalogue: Catalogue = knows_nothing,
) -> Inputs:
    """Inputs with a credential for every provider that needs one, unless `credentials` say otherwise."""
    world = World(resources={found.key: found for found in resources}, namespaces=namespaces)
    states = {key: state_of(key, sign_in, credentials.get(key, {})) for key, sign_in in sign_ins(world, access).items()}
    everywhere = (GATEWAY_SCOPE, *(sidecar_scope(namespace) for namespace in namespaces))
    wanted = everywhere if scopes is None else tuple(Scope(scope) for scope in scopes)
    return Inputs(
        world=world,
        credentials=states,
        identity=identity,
        scopes=frozenset(wanted),
        discovered={ProviderKey(key): discovered_of(found) for key, found in discovered.items()},
        catalogue=catalogue,
    )


def discovered_of(written: Mapping[str, Any]) -> Discovered:
    """What an account was found to have; `models: null`: it was not listed yet."""
    models = written.get("models")
    return Discovered(
        models=None if models is None else tuple(msgspec.convert(one, FoundModel) for one in models),
        notes=tuple(written.get("notes", ())),
        problem=problem_of(written["problem"]) if "problem" in written else None,
    )


def catalogue_of(written: Mapping[str, Mapping[str, Any]]) -> Catalogue:
    """Facts by place, then by name."""
    known = {
        (place, name): msgspec.convert(facts, Facts)
        for place, names in written.items()
        for name, facts in names.items()
    }
    return lambda place, name: known.get((place, name), UNKNOWN)


def credential_of(key: ProviderKey, sign_in: SignIn) -> Credential:
    """A credential of the right kind, made of SECRET_MARK."""
    secret = Secret(f"{SECRET_MARK}-of-{key}")
    match sign_in.grant:
        case EntraAccess() | AWSSession(form=BedrockForm.API_KEY):
            return BearerToken(token=secret, expires_at=EXPIRES)
        case AWSSession():
            return AccessKey(
                access_key_id="ASIAGOLDEN", secret_access_key=secret, session_token=secret, expires_at=EXPIRES
            )
    match sign_in.kind:
        case SignInKind.NONE:
            return NoCredential()
        case SignInKind.API_KEY:
            return APIKey(key=secret)
        case SignInKind.ACCESS_KEY:
            token = Secret(f"{SECRET_MARK}-session-of-{key}") if "sessionToken" in sign_in.values else None
            return AccessKey(access_key_id="AKIAGOLDEN", secret_access_key=secret, session_token=token)
    raise AssertionError(f"{sign_in.kind} is nothing without a grant")


def proxy_credential_of(key: ProviderKey, sign_in: SignIn) -> Basic | None:
    """What the provider's forward proxy asks for, made of SECRET_MARK."""
    if not sign_in.proxy:
        return None
    return Basic(username=Secret(f"{SECRET_MARK}-user-of-{key}"), password=Secret(f"{SECRET_MARK}-password-of-{key}"))


def state_of(key: ProviderKey, sign_in: SignIn, override: Mapping[str, Any]) -> CredentialState:
    """As gathered, or as the input says."""
    if sign_in.problem is not None:
        return CredentialState(credential=None, problem=sign_in.problem)
    problem = problem_of(override["problem"]) if "problem" in override else None
    if problem is not None and override["credential"] != "last-good":
        return CredentialState(credential=None, problem=problem, issued=sign_in.grant is not None)
    return CredentialState(
        credential=credential_of(key, sign_in),
        proxy=proxy_credential_of(key, sign_in),
        problem=problem,
        issued=sign_in.grant is not None,
        note=override.get("note", ""),
    )


def problem_of(written: Mapping[str, str]) -> Problem:
    return Problem(reason=Reason(written["reason"]), message=written["message"], field=written.get("field", ""))


def shown(compiled: Compiled) -> dict[str, Any]:
    """Verdicts and snapshots as plain values, secrets redacted."""
    plain: dict[str, Any] = {
        "verdicts": {str(key): shown_verdict(compiled.verdicts[key]) for key in sorted(compiled.verdicts)},
        "snapshots": {scope: shown_snapshot(compiled.snapshots[scope]) for scope in sorted(compiled.snapshots)},
    }
    renewed = {scope: sorted(keys) for scope, keys in sorted(compiled.renewed.items()) if keys}
    return plain | ({"renewed": renewed} if renewed else {})


def shown_verdict(verdict: Verdict) -> dict[str, Any]:
    conditions = [
        {"type": it.type.value, "status": it.status.value, "reason": it.reason.value, "message": it.message}
        for it in verdict.conditions
    ]
    return {"generation": verdict.generation, "conditions": conditions, "facts": dict(verdict.facts)}


def shown_snapshot(snapshot: Snapshot) -> dict[str, Any]:
    """With `[redacted]` where a secret stands."""
    plain: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(snapshot, enc_hook=str, order="sorted"))
    return plain
