"""An MCP client by the Python SDK, with a certificate.

Standard input holds its task in one line of JSON; it answers with what came of it
in one line. All that it is told is the MCP endpoint.
"""

import asyncio
import json
import ssl
import sys
from urllib.parse import parse_qs, urlsplit

import httpx2
from mcp.client.auth import OAuthClientProvider
from mcp.client.session import ClientSession
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.auth import AuthorizationCodeResult, OAuthClientInformationFull, OAuthClientMetadata

task = json.loads(sys.stdin.readline())
context = ssl.create_default_context(cafile=task["ca"])
context.load_cert_chain(task["certificate"], task["key"])
asked, agreed = [], []


class Storage:
    """What the client knows: that it is registered, and the tokens that it gets."""

    tokens = None

    async def get_tokens(self):
        return self.tokens

    async def set_tokens(self, tokens):
        self.tokens = tokens

    async def get_client_info(self):
        return OAuthClientInformationFull(
            client_id=task["id"], redirect_uris=[task["redirect"]], token_endpoint_auth_method="none"
        )

    async def set_client_info(self, information):
        raise AssertionError("it is registered")


def parameters(url):
    return {name: values[0] for name, values in parse_qs(urlsplit(str(url)).query).items()}


async def ask_user(url):
    """The user agrees to everything; their browser is a redirect that is not followed."""
    asked.append(parameters(url)["scope"])
    async with httpx2.AsyncClient(verify=context, trust_env=False) as browser:
        response = await browser.get(url)
    agreed.append(parameters(response.headers["Location"]))


async def answer():
    return AuthorizationCodeResult(code=agreed[-1]["code"], state=agreed[-1]["state"])


async def main():
    provider = OAuthClientProvider(
        server_url=task["url"],
        client_metadata=OAuthClientMetadata(redirect_uris=[task["redirect"]], token_endpoint_auth_method="none"),
        storage=Storage(),
        redirect_handler=ask_user,
        callback_handler=answer,
    )
    said = []
    async with (
        httpx2.AsyncClient(auth=provider, verify=context, trust_env=False) as client,
        streamable_http_client(task["url"], http_client=client) as (read, write),
        ClientSession(read, write) as session,
    ):
        await session.initialize()
        for name in ("accounts", "pay"):
            result = await session.call_tool(name, {})
            said.append(result.content[0].text)
    print(json.dumps({"asked": asked, "said": said}))


asyncio.run(main())
