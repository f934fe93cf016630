// A client with a DPoP key (RFC 9449), by one of two libraries that are not ours.
// Standard input holds what it shall do in one line of JSON; it answers with what
// came of it in one line. Its key cannot be exported, as a browser's should not.
//
// It gets a token and calls each URL twice, repeating a request once where a
// server wants a nonce. Then it is the thief: with the token and no key, with a
// key of its own, and with a proof that it has seen.
import { createInterface } from 'node:readline';

import * as dpop from 'dpop';
import * as oauth from 'oauth4webapi';

const task = JSON.parse(await new Promise((resolve) => {
  createInterface({ input: process.stdin }).once('line', resolve);
}));
const tokenParameters = { grant_type: 'client_credentials', scope: task.scope, resource: task.resource };

// Each maker returns a client: what it is called by, and how it asks for a token
// and for a resource. Its calls return what fetch does, after the nonces.

// oauth4webapi discovers, signs, keeps nonces, and reads challenges by itself.
const byOAuth4WebAPI = async () => {
  const issuer = new URL(task.issuer);
  const as = await oauth.processDiscoveryResponse(issuer, await oauth.discoveryRequest(issuer));
  const client = { client_id: task.id };
  const keys = await oauth.generateKeyPair(task.algorithm);
  const handle = oauth.DPoP(client, keys);
  const again = async (ask) => {
    try {
      return await ask();
    } catch (error) {
      if (!oauth.isDPoPNonceError(error)) throw error;
      return ask();
    }
  };
  return {
    jkt: await handle.calculateThumbprint(),
    token: () => again(async () => oauth.processClientCredentialsResponse(
      as, client, await oauth.clientCredentialsGrantRequest(
        as, client, oauth.ClientSecretBasic(task.secret), tokenParameters, { DPoP: handle },
      ),
    )),
    call: async (url, token, fetching) => {
      const ask = () => oauth.protectedResourceRequest(
        token, 'GET', new URL(url), undefined, undefined, { DPoP: handle, [oauth.customFetch]: fetching },
      );
      try {
        return await again(ask);
      } catch (error) {
        if (error instanceof oauth.WWWAuthenticateChallengeError) return error.response;
        throw error;
      }
    },
  };
};

// dpop makes proofs and nothing else: the rest is written by hand.
const byDPoP = async () => {
  const keys = await dpop.generateKeyPair(task.algorithm);
  const nonces = new Map();
  const again = async (url, method, wantsNonce, ask, token) => {
    const { origin } = new URL(url);
    const once = async () => {
      const response = await ask(await dpop.generateProof(keys, url, method, nonces.get(origin), token));
      if (response.headers.has('dpop-nonce')) nonces.set(origin, response.headers.get('dpop-nonce'));
      return response;
    };
    const response = await once();
    return await wantsNonce(response.clone()) ? once() : response;
  };
  return {
    jkt: await dpop.calculateThumbprint(keys.publicKey),
    token: async () => {
      const metadata = await fetch(`${task.issuer}/.well-known/openid-configuration`);
      const url = (await metadata.json()).token_endpoint;
      const response = await again(
        url, 'POST', async (answer) => answer.status === 400 && (await answer.json()).error === 'use_dpop_nonce',
        (DPoP) => fetch(url, {
          method: 'POST',
          headers: {
            DPoP, Authorization: `Basic ${btoa(`${encodeURIComponent(task.id)}:${encodeURIComponent(task.secret)}`)}`,
          },
          body: new URLSearchParams(tokenParameters),
        }),
      );
      return response.json();
    },
    call: (url, token, fetching) => again(
      url, 'GET', (answer) => (answer.headers.get('www-authenticate') ?? '').includes('error="use_dpop_nonce"'),
      (DPoP) => fetching(url, { headers: { DPoP, Authorization: `DPoP ${token}` } }), token,
    ),
  };
};

const make = { oauth4webapi: byOAuth4WebAPI, dpop: byDPoP }[task.library];
const owner = await make();
const thief = await make();
const { access_token: token, token_type: type } = await owner.token();

// read is what a call came to; requests are how many it took.
const read = async (response, requests) => ({
  status: response.status,
  challenge: response.headers.get('www-authenticate') ?? '',
  nonce: response.headers.get('dpop-nonce') ?? '',
  body: await response.json(),
  requests,
});
const call = async (client, url) => {
  let requests = 0;
  let sent;
  const response = await client.call(url, token, (...request) => {
    requests += 1;
    [, sent] = request;
    return fetch(...request);
  });
  return { answer: await read(response, requests), headers: new Headers(sent.headers) };
};

const answers = [];
for (const url of task.urls) {
  const first = await call(owner, url);
  const second = await call(owner, url);
  const seen = second.headers; // with the newest nonce
  const replay = async (target, headers) => read(await fetch(target, { headers }), 1);
  answers.push({
    first: first.answer,
    second: second.answer,
    withoutKey: await replay(url, { Authorization: `Bearer ${token}` }),
    withoutProof: await replay(url, { Authorization: `DPoP ${token}` }),
    anotherKey: (await call(thief, url)).answer,
    sameProof: await replay(url, seen),
    elsewhere: await replay(new URL('/payments', url), seen),
    third: (await call(owner, url)).answer,
  });
}
console.log(JSON.stringify({ type: type.toLowerCase(), jkt: owner.jkt, token, answers }));
process.exit(0);
