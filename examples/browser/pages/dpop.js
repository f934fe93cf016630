// A client with a DPoP key (RFC 9449), by what a browser has. The private key
// cannot be exported: script that gets into the page can use it while the page is
// open, and cannot take it away. (A CryptoKey can be kept in IndexedDB as it is.)

const ecdsa = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
const bytesOf = (text) => new TextEncoder().encode(text);
const base64url = (bytes) => btoa(String.fromCharCode(...new Uint8Array(bytes)))
  .replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');
const hash = async (text) => base64url(await crypto.subtle.digest('SHA-256', bytesOf(text)));
const seconds = () => Math.floor(Date.now() / 1000);

export class Client {
  #privateKey;

  #publicKey; // as a JWK

  #nonces = new Map(); // the newest of each origin

  static async create() {
    const client = new Client();
    const { privateKey, publicKey } = await crypto.subtle.generateKey(ecdsa, false, ['sign', 'verify']);
    const { kty, crv, x, y } = await crypto.subtle.exportKey('jwk', publicKey);
    client.#privateKey = privateKey;
    client.#publicKey = { kty, crv, x, y };
    return client;
  }

  get publicKey() { return { ...this.#publicKey }; }

  // thumbprint is what a token that is bound to the key has as jkt (RFC 7638).
  thumbprint() {
    const { crv, kty, x, y } = this.#publicKey;
    return hash(JSON.stringify({ crv, kty, x, y }));
  }

  // export fails: the browser keeps the key.
  export() { return crypto.subtle.exportKey('jwk', this.#privateKey); }

  // sign returns a JWT.
  async sign(header, claims) {
    const input = [{ alg: 'ES256', ...header }, claims].map((part) => base64url(bytesOf(JSON.stringify(part)))).join('.');
    return `${input}.${base64url(await crypto.subtle.sign(ecdsa, this.#privateKey, bytesOf(input)))}`;
  }

  // proof is for one request (RFC 9449 section 4.2); without a token for a token
  // request.
  async proof(method, url, token) {
    const { origin, pathname } = new URL(url);
    return this.sign({ typ: 'dpop+jwt', jwk: this.#publicKey }, {
      jti: crypto.randomUUID(),
      htm: method,
      htu: origin + pathname,
      iat: seconds(),
      ...(token && { ath: await hash(token) }),
      ...(this.#nonces.has(origin) && { nonce: this.#nonces.get(origin) }),
    });
  }

  // fetch sends what make returns for a proof. Where the server wants a nonce it
  // asks make once more: a proof is used once, as an assertion is.
  async fetch(method, url, token, make) {
    const { origin } = new URL(url);
    const once = async () => {
      const proof = await this.proof(method, url, token);
      const response = await fetch(url, { method, ...await make(proof) });
      // null where Access-Control-Expose-Headers does not name it
      const nonce = response.headers.get('DPoP-Nonce');
      if (nonce !== null) this.#nonces.set(origin, nonce);
      return response;
    };
    const response = await once();
    return await wantsNonce(response.clone()) ? once() : response;
  }

  // token asks for a token that is bound to the key (section 5). The same key
  // authenticates the client (private_key_jwt, RFC 7523).
  async token(metadata, clientID, scope) {
    const response = await this.fetch('POST', metadata.token_endpoint, undefined, async (proof) => ({
      headers: { DPoP: proof },
      body: new URLSearchParams({
        grant_type: 'client_credentials',
        scope,
        client_id: clientID,
        client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
        client_assertion: await this.sign({ typ: 'JWT' }, {
          iss: clientID, sub: clientID, aud: metadata.issuer, jti: crypto.randomUUID(), iat: seconds(), exp: seconds() + 60,
        }),
      }),
    }));
    const answer = await response.json();
    if (!response.ok) throw new Error(`no token: ${answer.error}`);
    if (answer.token_type.toLowerCase() !== 'dpop') throw new Error('the token is not bound to the key');
    return answer.access_token;
  }

  // get calls the API, and also returns the proof that it sent.
  async get(url, token) {
    let sent;
    const response = await this.fetch('GET', url, token, (proof) => {
      sent = proof;
      return { headers: { Authorization: `DPoP ${token}`, DPoP: proof } };
    });
    return { response, proof: sent };
  }
}

// wantsNonce: an API says so in a challenge (section 9), a token endpoint in its
// JSON (section 8).
async function wantsNonce(response) {
  if (response.status === 401) return (response.headers.get('WWW-Authenticate') ?? '').includes('error="use_dpop_nonce"');
  return response.status === 400 && (await response.json().catch(() => ({}))).error === 'use_dpop_nonce';
}
