// A client of a protected API, by one of two libraries. Standard input holds its
// task in one line of JSON; it answers with what came of it in one line, in terms
// of the library's own types.
//
// All that it is told is the API. From the challenge there it finds the
// authorization server, gets a token that is bound to its certificate (RFC 8705)
// or to its key (RFC 9449), and gets data. It asks for the scope that it turns
// out to need.
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';

import * as oauth from 'oauth4webapi';
import * as openid from 'openid-client';
import { Agent, fetch } from 'undici';

const task = JSON.parse(await new Promise((resolve) => {
  createInterface({ input: process.stdin }).once('line', resolve);
}));
const byCertificate = task.binding === 'certificate';

// fetchWith presents a client certificate, where a server asks for one.
const fetchWith = ({ certificate, key }) => {
  const [ca, ...own] = [task.ca, ...(byCertificate ? [certificate, key] : [])].map((file) => readFileSync(file));
  const dispatcher = new Agent({ connect: { ca, cert: own[0], key: own[1] } });
  return (url, options) => fetch(url, { ...options, dispatcher });
};

// Each library makes a client of an identity: with call(token, path), that asks
// the API, discover(challenge), and token(scope).
const libraries = {
  async oauth4webapi(identity) {
    const options = { [oauth.customFetch]: fetchWith(identity) };
    const client = { client_id: task.id, use_mtls_endpoint_aliases: byCertificate };
    const authentication = byCertificate ? oauth.TlsClientAuth() : oauth.ClientSecretBasic(task.secret);
    const withProof = byCertificate ? options : { ...options, DPoP: oauth.DPoP(client, await oauth.generateKeyPair('ES256')) };
    const again = async (ask) => {
      try {
        return await ask();
      } catch (error) {
        if (!oauth.isDPoPNonceError(error)) throw error;
        return ask();
      }
    };
    let as;
    return {
      async discover(challenge) {
        const api = new URL(task.api);
        const resource = await oauth.processResourceDiscoveryResponse(
          api, await options[oauth.customFetch](challenge.parameters.resource_metadata),
        );
        const issuer = new URL(resource.authorization_servers[0]);
        as = await oauth.processDiscoveryResponse(
          issuer, await oauth.discoveryRequest(issuer, { ...options, algorithm: 'oauth2' }),
        );
        return resource;
      },
      token: (scope) => again(async () => oauth.processClientCredentialsResponse(
        as, client, await oauth.clientCredentialsGrantRequest(as, client, authentication, { scope }, withProof),
      )),
      call: (token, path) => again(() => oauth.protectedResourceRequest(
        token, 'GET', new URL(path, task.api), undefined, undefined, token === task.expired ? options : withProof,
      )),
    };
  },

  async 'openid-client'(identity) {
    const customFetch = fetchWith(identity);
    const authentication = byCertificate ? openid.TlsClientAuth() : openid.ClientSecretBasic(task.secret);
    const keys = byCertificate ? undefined : await openid.randomDPoPKeyPair('ES256');
    let config = new openid.Configuration({ issuer: task.api }, task.id); // until it knows the authorization server
    config[openid.customFetch] = customFetch;
    let options;
    return {
      async discover(challenge) {
        const resource = await (await customFetch(challenge.parameters.resource_metadata)).json();
        config = await openid.discovery(
          new URL(resource.authorization_servers[0]), task.id, { use_mtls_endpoint_aliases: byCertificate }, authentication,
          { algorithm: 'oauth2', [openid.customFetch]: customFetch },
        );
        options = byCertificate ? undefined : { DPoP: openid.getDPoPHandle(config, keys) };
        return resource;
      },
      token: (scope) => openid.clientCredentialsGrant(config, { scope }, options),
      call: (token, path) => openid.fetchProtectedResource(
        config, token, new URL(path, task.api), 'GET', undefined, undefined, token === task.expired ? undefined : options,
      ),
    };
  },
};

// refusal is what a call is refused with: an error of the library's that knows
// the challenges, or a Response where there is none.
const refusal = async (call) => {
  let refused;
  try {
    refused = await call;
    if (refused.ok) throw new Error('it was not refused');
  } catch (error) {
    if (!Array.isArray(error.cause)) throw error;
    refused = error;
  }
  const { headers } = refused.response ?? refused;
  const challenges = refused.cause ?? [];
  const { error, scope } = challenges[0]?.parameters ?? {};
  return {
    challenges,
    said: {
      type: refused.constructor.name,
      status: refused.status,
      schemes: challenges.map((challenge) => challenge.scheme),
      error,
      scope,
      retryAfter: headers.has('retry-after') ? Number(headers.get('retry-after')) : undefined,
    },
  };
};
const body = async (response) => (await response).json();

const make = libraries[task.client];
const client = await make(task.own);
const { challenges, said: expired } = await refusal(client.call(task.expired, '/whoami'));
const { resource, authorization_servers: servers } = await client.discover(challenges[0]);
const { access_token: token } = await client.token('accounts');
const who = await body(client.call(token, '/whoami'));
const { challenges: [{ parameters: needed }], said: forbidden } = await refusal(client.call(token, '/payments'));
const { access_token: stronger } = await client.token(`accounts ${needed.scope}`);
const paid = await body(client.call(stronger, '/payments'));
const { said: unavailable } = await refusal(client.call(token, '/later'));
const thief = await make(task.thief);
await thief.discover(challenges[0]);
const { said: stolen } = await refusal(thief.call(token, '/whoami'));
console.log(JSON.stringify({
  resource, servers, who, paid, expired, stolen, forbidden, unavailable,
}));
process.exit(0);
