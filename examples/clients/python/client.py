"""A client of a protected API, by one of two libraries, each with Authlib.

Standard input holds its task in one line of JSON; it answers with what came of
it in one line, in terms of the library's own types. All that it is told is the
API: from the challenge there it finds the authorization server, and gets a token
that is bound to its certificate (RFC 8705). It asks for the scope that it turns
out to need. Neither library makes DPoP proofs.
"""

import json
import re
import ssl
import sys

import httpx
import requests
from authlib.integrations.httpx_client import OAuth2Client
from authlib.integrations.requests_client import OAuth2Session

task = json.loads(sys.stdin.readline())


def with_requests(own, token=None):
    """A session of requests, HTTP/1.1."""
    session = OAuth2Session(task["id"], token=token, token_endpoint_auth_method="none")
    session.trust_env = False  # the machine's proxies and roots
    session.verify = task["ca"]
    session.cert = (own["certificate"], own["key"])
    return session


def with_httpx(own, token=None):
    """A client of httpx, HTTP/2."""
    context = ssl.create_default_context(cafile=task["ca"])
    context.load_cert_chain(own["certificate"], own["key"])
    return OAuth2Client(
        task["id"], token=token, token_endpoint_auth_method="none", http2=True, verify=context, trust_env=False
    )


connect, refusals = {
    "requests": (with_requests, requests.HTTPError),
    "httpx": (with_httpx, httpx.HTTPStatusError),
}[task["client"]]


def bearer(value):
    return {"access_token": value, "token_type": "Bearer"}


def call(client, path):
    response = client.get(task["api"] + path)
    response.raise_for_status()
    return response.json()


def challenges(response):
    """The challenges: the fields may have come as one (RFC 9110, 5.2)."""
    found = []
    for scheme, name, value in re.findall(r'(?:(\w+) )?(\w+)="([^"]*)"', response.headers.get("WWW-Authenticate", "")):
        if scheme:
            found.append({"scheme": scheme})
        found[-1][name] = value
    return found


def refusal(client, path):
    """What a call is refused with, and its challenges."""
    try:
        call(client, path)
    except refusals as error:
        found = challenges(error.response)
        first = found[0] if found else {}
        return found, {
            "type": type(error).__name__,
            "status": error.response.status_code,
            "schemes": [challenge["scheme"] for challenge in found],
            "error": first.get("error", ""),
            "scope": first.get("scope", ""),
            "retryAfter": int(error.response.headers.get("Retry-After", 0)),
        }
    raise AssertionError("it was not refused")


def fetch(url):
    with connect(task["own"]) as client:
        response = client.request("GET", url, withhold_token=True)
        response.raise_for_status()
        return response.json()


def get_token(scope):
    with connect(task["own"]) as client:
        return client.fetch_token(
            server["mtls_endpoint_aliases"]["token_endpoint"], grant_type="client_credentials", scope=scope
        )


with connect(task["own"], bearer(task["expired"])) as client:
    found, expired = refusal(client, "/whoami")
resource = fetch(found[0]["resource_metadata"])
server = fetch(resource["authorization_servers"][0] + "/.well-known/oauth-authorization-server")
weak = get_token("accounts")
with connect(task["own"], weak) as client:
    who = call(client, "/whoami")
    found, forbidden = refusal(client, "/payments")
    _, unavailable = refusal(client, "/later")
with connect(task["own"], get_token("accounts " + found[0]["scope"])) as client:
    paid = call(client, "/payments")
with connect(task["thief"], weak) as client:
    _, stolen = refusal(client, "/whoami")
print(json.dumps({
    "resource": resource["resource"], "servers": resource["authorization_servers"], "who": who, "paid": paid,
    "expired": expired, "stolen": stolen, "forbidden": forbidden, "unavailable": unavailable,
}))
