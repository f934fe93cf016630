import { Client } from './dpop.js';

const show = (id, text) => { document.getElementById(id).textContent = text; };
const say = async (id, response) => {
  show(id, `${response.status} ${response.headers.get('WWW-Authenticate') ?? ''} ${await response.text()}`);
};

try {
  const { api, token, proof } = Object.fromEntries(new URLSearchParams(location.hash.slice(1)));
  const url = `${api}/accounts`;
  await say('alone', await fetch(url, { headers: { Authorization: `Bearer ${token}` } }));
  await say('own', (await (await Client.create()).get(url, token)).response);
  const captured = { headers: { Authorization: `DPoP ${token}`, DPoP: proof } };
  await say('captured', await fetch(url, captured));
  await say('elsewhere', await fetch(`${api}/payments`, captured));
  show('done', 'done');
} catch (error) {
  show('done', `failed: ${error}`);
}
