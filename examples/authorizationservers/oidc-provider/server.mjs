// An oidc-provider for the tests of this folder, on two ports of the loopback
// interface: one that asks for no client certificate, and one for mutual TLS
// (RFC 8705 §5). Standard input holds its configuration in one line of JSON, and
// ends when the server shall end. It answers with its issuer in one line.
import { X509Certificate, generateKeyPairSync, randomBytes } from 'node:crypto';
import { createServer } from 'node:https';
import { createInterface } from 'node:readline';

import Provider from 'oidc-provider';

const lines = createInterface({ input: process.stdin });
lines.once('close', () => process.exit(0));
const {
  cert, key, clientCA, clients, formats, lifetimes, resources, scope,
} = JSON.parse(await new Promise((resolve) => { lines.once('line', resolve); }));

const listen = async (options) => {
  const server = createServer({ cert, key, minVersion: 'TLSv1.2', ...options });
  await new Promise((resolve) => { server.listen(0, '127.0.0.1', resolve); });
  return { server, url: `https://127.0.0.1:${server.address().port}` };
};
const plain = await listen({});
// The certificate is asked for and not required, so that self-signed ones come
// through; socket.authorized says whether clientCA has issued it.
const mtls = await listen({ requestCert: true, rejectUnauthorized: false, ca: clientCA });

const newKey = (alg) => {
  const [type, options] = {
    RS256: ['rsa', { modulusLength: 2048 }],
    PS256: ['rsa', { modulusLength: 2048 }],
    ES256: ['ec', { namedCurve: 'P-256' }],
    EdDSA: ['ed25519'],
    Ed25519: ['ed25519'],
  }[alg];
  const { privateKey } = generateKeyPairSync(type, options);
  return { ...privateKey.export({ format: 'jwk' }), kid: alg, alg, use: 'sig' };
};

const provider = new Provider(plain.url, {
  clients,
  jwks: { keys: formats.filter((format) => format !== 'opaque').map(newKey) },
  scopes: scope.split(' '),
  enabledJWA: { dPoPSigningAlgValues: ['ES256', 'Ed25519', 'PS256', 'RS256'] },
  clientAuthMethods: [
    'tls_client_auth', 'self_signed_tls_client_auth', 'private_key_jwt', 'client_secret_basic',
  ],
  // oidc-provider knows no aliases of its own. PAR is left without one.
  discovery: {
    mtls_endpoint_aliases: {
      token_endpoint: `${mtls.url}/token`,
      introspection_endpoint: `${mtls.url}/token/introspection`,
      revocation_endpoint: `${mtls.url}/token/revocation`,
    },
  },
  features: {
    devInteractions: { enabled: false },
    userinfo: { enabled: false },
    clientCredentials: { enabled: true },
    introspection: { enabled: true },
    revocation: { enabled: true },
    pushedAuthorizationRequests: { enabled: true },
    // Whoever sends a proof (RFC 9449) needs a nonce in it.
    dPoP: { enabled: true, nonceSecret: randomBytes(32), requireNonce: () => true },
    mTLS: {
      enabled: true,
      certificateBoundAccessTokens: true,
      tlsClientAuth: true,
      selfSignedTlsClientAuth: true,
      getCertificate: (ctx) => ctx.socket.getPeerX509Certificate?.(),
      certificateAuthorized: (ctx) => ctx.socket.authorized === true,
      certificateSubjectMatches: (ctx, property, expected) => property === 'tls_client_auth_subject_dn'
        && new X509Certificate(ctx.socket.getPeerX509Certificate().raw).subject === expected,
    },
    resourceIndicators: {
      enabled: true,
      getResourceServerInfo(ctx, resource, { clientId }) {
        if (!resources.includes(resource)) throw new Error('unknown resource');
        const format = clientId.split('.')[0];
        const common = { scope, audience: resource, accessTokenTTL: 300 };
        return format === 'opaque'
          ? { ...common, accessTokenFormat: 'opaque' }
          : { ...common, accessTokenFormat: 'jwt', jwt: { sign: { alg: format } } };
      },
    },
  },
  formats: {
    customizers: {
      // No option issues tokens that have expired.
      jwt(ctx, token, { payload }) {
        const lifetime = lifetimes[token.clientId];
        if (lifetime !== undefined) payload.exp = payload.iat + lifetime;
      },
    },
  },
});
provider.on('server_error', (ctx, error) => { console.error(error); });
provider.on('grant.error', (ctx, error) => { console.error(error.error, error.error_description, error.error_detail); });
for (const { server } of [plain, mtls]) server.on('request', provider.callback());
console.log(JSON.stringify({ issuer: plain.url }));
