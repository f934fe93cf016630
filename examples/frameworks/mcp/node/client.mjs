// An MCP client by the TypeScript SDK, with a certificate. Standard input holds
// its task in one line of JSON; it answers with what came of it in one line. All
// that it is told is the MCP endpoint.
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';

import { UnauthorizedError } from '@modelcontextprotocol/sdk/client/auth.js';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { Agent, fetch as fetchBy } from 'undici';

const task = JSON.parse(await new Promise((resolve) => {
  createInterface({ input: process.stdin }).once('line', resolve);
}));
const [ca, cert, key] = [task.ca, task.certificate, task.key].map((file) => readFileSync(file));
const dispatcher = new Agent({ connect: { ca, cert, key } });
const fetch = (url, options) => fetchBy(url, { ...options, dispatcher });

// The user agrees to everything; their browser is a redirect that is not followed.
const asked = [];
let code;
const kept = {};
const authProvider = {
  redirectUrl: task.redirect,
  clientMetadata: { redirect_uris: [task.redirect], token_endpoint_auth_method: 'none' },
  clientInformation: () => ({ client_id: task.id }),
  saveClientInformation() {}, // it is registered
  tokens: () => kept.tokens,
  saveTokens(tokens) { kept.tokens = tokens; },
  codeVerifier: () => kept.verifier,
  saveCodeVerifier(verifier) { kept.verifier = verifier; },
  async redirectToAuthorization(url) {
    asked.push(url.searchParams.get('scope'));
    const response = await fetch(url, { redirect: 'manual' });
    code = new URL(response.headers.get('location')).searchParams.get('code');
  },
};

// agreed does something, once more when the user was asked for it.
let transport;
const agreed = async (something) => {
  try {
    return await something();
  } catch (error) {
    if (!(error instanceof UnauthorizedError)) throw error;
    await transport.finishAuth(code);
    return something();
  }
};
const client = new Client({ name: 'client', version: '1' });
await agreed(() => {
  transport = new StreamableHTTPClientTransport(new URL(task.url), { authProvider, fetch });
  return client.connect(transport);
});
const call = (name) => agreed(() => client.callTool({ name, arguments: {} }));
const said = [];
for (const name of ['accounts', 'pay']) said.push((await call(name)).content[0].text);
console.log(JSON.stringify({ asked, said }));
process.exit(0);
