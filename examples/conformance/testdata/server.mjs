// A resource server for certificate-bound access tokens (RFC 8705) in JavaScript, with what Node.js has and nothing else:
// to show that the command above it asks servers in any language. It does what the RFCs demand, and no more.
//
//   node server.mjs ISSUER METADATA AUDIENCE CA-FILE CERT-FILE KEY-FILE HOST PORT

import { X509Certificate, createHash, createPublicKey, constants, timingSafeEqual, verify } from 'node:crypto'
import { readFileSync } from 'node:fs'
import https from 'node:https'

const [issuer, metadata, audience, ca, cert, key, host, port] = process.argv.slice(2)
const roots = readFileSync(ca)

class Unavailable extends Error {}

function fetchJSON (url) {
  return new Promise((resolve, reject) => {
    const fail = (why) => reject(new Unavailable(why))
    if (!String(url).startsWith('https://')) return fail('not https')
    https.get(url, { ca: roots, timeout: 5000 }, (response) => {
      const chunks = []
      response.on('data', (chunk) => chunks.push(chunk))
      response.on('error', (error) => fail(error.message))
      response.on('end', () => {
        if (response.statusCode !== 200 || !response.complete) return fail('no document')
        try { resolve(JSON.parse(Buffer.concat(chunks).toString())) } catch (error) { fail(error.message) }
      })
    }).on('error', (error) => fail(error.message))
  })
}

let keys = []
let fetched = 0

async function fetchKeys () {
  fetched = Date.now()
  const about = await fetchJSON(metadata)
  if (about?.issuer !== issuer) throw new Unavailable('another issuer')
  const set = await fetchJSON(about.jwks_uri)
  if (!Array.isArray(set?.keys)) throw new Unavailable('no keys')
  keys = set.keys.filter((key) => typeof key === 'object' && key !== null)
}

const algorithms = {
  ES256: (key) => key.kty === 'EC' && key.crv === 'P-256' && { dsaEncoding: 'ieee-p1363' },
  RS256: (key) => key.kty === 'RSA' && { padding: constants.RSA_PKCS1_PADDING },
  PS256: (key) => key.kty === 'RSA' && { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 }
}

const candidates = (header) => keys.filter((key) => header.kid === undefined || key.kid === header.kid)

async function keysFor (header) {
  // An unknown kid is worth one look, and the next only after a while.
  if (candidates(header).length === 0 && Date.now() - fetched > 50) await fetchKeys()
  return candidates(header)
}

function signed (header, keys, input, signature) {
  const algorithm = Object.hasOwn(algorithms, header.alg) && algorithms[header.alg]
  if (!algorithm) return false
  return keys.some((jwk) => {
    const options = algorithm(jwk)
    if (!options || (jwk.alg !== undefined && jwk.alg !== header.alg) || (jwk.use !== undefined && jwk.use !== 'sig')) return false
    try {
      const key = createPublicKey({ key: jwk, format: 'jwk' })
      const { modulusLength, publicExponent } = key.asymmetricKeyDetails
      if (modulusLength !== undefined && (modulusLength < 2048 || publicExponent < 3n)) return false
      return verify('sha256', Buffer.from(input), { key, ...options }, signature)
    } catch { return false }
  })
}

function decode (segment) {
  if (!/^[A-Za-z0-9_-]+$/.test(segment)) throw new Error('not base64url')
  return Buffer.from(segment, 'base64url')
}

function parse (segment) {
  const value = JSON.parse(new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(decode(segment)))
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new Error('no object')
  return value
}

async function check (token, socket) {
  const segments = token.split('.')
  if (segments.length !== 3) throw new Error('no compact serialization')
  const header = parse(segments[0])
  if (header.crit !== undefined) throw new Error('crit')
  if (!signed(header, await keysFor(header), segments[0] + '.' + segments[1], decode(segments[2]))) throw new Error('signature')
  const claims = parse(segments[1])
  const now = Date.now() / 1000
  if (claims.iss !== issuer) throw new Error('iss')
  if (claims.aud !== audience && !(Array.isArray(claims.aud) && claims.aud.includes(audience))) throw new Error('aud')
  if (typeof claims.exp !== 'number' || claims.exp <= now) throw new Error('exp')
  if (claims.nbf !== undefined && !(claims.nbf <= now)) throw new Error('nbf')
  const expected = claims.cnf?.['x5t#S256']
  if (typeof expected !== 'string' || !/^[A-Za-z0-9_-]{43}$/.test(expected)) throw new Error('cnf')
  const der = socket.getPeerCertificate()?.raw
  if (der === undefined) throw new Error('no certificate')
  const digest = createHash('sha256').update(new X509Certificate(der).raw).digest()
  if (!timingSafeEqual(digest, Buffer.from(expected, 'base64url'))) throw new Error('another certificate')
}

const options = { cert: readFileSync(cert), key: readFileSync(key), requestCert: true, rejectUnauthorized: false, maxHeaderSize: 1 << 20 }
const server = https.createServer(options, async (request, response) => {
  response.setHeader('Cache-Control', 'no-store')
  const fields = request.rawHeaders.filter((name, i) => i % 2 === 0 && name.toLowerCase() === 'authorization').length
  const [, token] = /^Bearer +([A-Za-z0-9._~+/-]+=*)$/i.exec(request.headers.authorization ?? '') ?? []
  if (fields > 1 || (token === undefined && /^Bearer/i.test(request.headers.authorization ?? ''))) {
    response.writeHead(400, { 'WWW-Authenticate': 'Bearer error="invalid_request"' }).end()
  } else if (token === undefined) {
    response.writeHead(401, { 'WWW-Authenticate': 'Bearer realm="api"' }).end()
  } else {
    try {
      await check(token, request.socket)
      response.end('ok')
    } catch (error) {
      if (error instanceof Unavailable) response.writeHead(503).end()
      else response.writeHead(401, { 'WWW-Authenticate': 'Bearer error="invalid_token"' }).end()
    }
  }
})
server.listen(Number(port), host)
