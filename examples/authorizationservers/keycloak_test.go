package authorizationservers_test

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"
	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/examples/internal/freeport"
)

// The administrator that ./install has put into Keycloak's database.
var keycloakAdmin = registration{id: "tests", method: clientSecretBasic, secret: "not a secret"}

// A keycloak is a running Keycloak.
type keycloak struct {
	url    string
	client *http.Client
	token  string // the administrator's
}

// startKeycloak starts Keycloak with one realm, as jwks/keycloak.md says.
func startKeycloak(t *testing.T, w *world) {
	t.Helper()
	folder := built(t, "keycloak")
	address, err := freeport.Address(1)
	require.NoError(t, err)
	_, port, err := net.SplitHostPort(address)
	require.NoError(t, err)
	k := &keycloak{url: "https://" + address, client: w.pki.HTTPClient()}
	t.Cleanup(k.client.CloseIdleConnections)

	files := t.TempDir()
	certificate, key := writePair(t, files, w.pki.ServerCertificate())
	database, err := os.ReadFile(filepath.Join(folder, "data", "h2", "keycloakdb.mv.db"))
	require.NoError(t, err)
	writeFile(t, files, "copy.mv.db", database)
	command := exec.Command(filepath.Join(folder, "bin", "kc.sh"), "start", "--optimized",
		"--truststore-paths="+writeFile(t, files, "clients.pem", w.pki.ClientCAPEM()),
		"--db-url=jdbc:h2:file:"+filepath.Join(files, "copy")+";NON_KEYWORDS=VALUE",
		"--hostname="+k.url, "--http-host=127.0.0.1", "--https-port="+port,
		"--https-certificate-file="+certificate, "--https-certificate-key-file="+key, "--cache=local")
	command.Env = append(os.Environ(), "JAVA_OPTS=-Xmx512m -XX:+UseSerialGC -XX:TieredStopAtLevel=1")
	runJava(t, w.pki, command, k.url+"/realms/master/.well-known/openid-configuration")
	k.logIn(t)
	k.ask(t, http.MethodPut, "/master", map[string]any{"accessTokenLifespan": 3600}) // in seconds: longer than the tests take
	k.logIn(t)

	w.verifies = true
	w.resourceScopes = map[string]string{audience: "api", another: "other"}
	delete(w.clients, "ES256.expired") // no setting issues tokens that have expired
	keycloakClients(t, w)
	w.issuer = k.realm(t, "bank", w.algorithms, w.resourceScopes, w.clients)
	w.rotating = func(t *testing.T) (*world, func(*testing.T)) { return k.rotating(t, w) }
	w.fapi = func(t *testing.T) *world { return k.fapi(t, w) }
}

func (k *keycloak) logIn(t *testing.T) {
	t.Helper()
	master := k.url + "/realms/master"
	got := requestToken(t, k.client, keycloakAdmin, master, master+"/protocol/openid-connect/token", url.Values{})
	require.Equal(t, http.StatusOK, got.status, got.Error)
	k.token = got.AccessToken
}

// fapi makes a realm whose clients all are under the FAPI 2.0 profile, which sets
// them up when they are made.
func (k *keycloak) fapi(t *testing.T, w *world) *world {
	t.Helper()
	own := *w
	own.pushes = true
	own.issuer = k.realm(t, "fapi", []string{"PS256"}, w.resourceScopes, nil)
	k.ask(t, http.MethodPut, "/fapi/client-policies/policies", map[string]any{"policies": []any{map[string]any{
		"name": "FAPI 2.0", "enabled": true, "profiles": []string{"fapi-2-security-profile"},
		"conditions": []any{map[string]any{"condition": "any-client", "configuration": map[string]any{}}},
	}}})
	client := keycloakClient(t, w.clients[webClient])
	delete(client["attributes"].(map[string]any), "access.token.signed.response.alg") // the profile's
	k.ask(t, http.MethodPost, "/fapi/clients", client)
	return &own
}

// rotating makes a realm of its own. A new key of a higher priority signs from
// then on, and the old ones stay published.
func (k *keycloak) rotating(t *testing.T, w *world) (*world, func(*testing.T)) {
	t.Helper()
	own := *w
	id := "ES256." + tlsClientAuth
	own.issuer = k.realm(t, "rotating", []string{"ES256"}, w.resourceScopes, map[string]registration{id: w.clients[id]})
	var realm struct{ ID string }
	require.NoError(t, json.Unmarshal(k.ask(t, http.MethodGet, "/rotating", nil), &realm))
	priority := 1000
	return &own, func(t *testing.T) {
		t.Helper()
		priority++
		k.ask(t, http.MethodPost, "/rotating/components", map[string]any{
			"name": fmt.Sprint(priority), "providerType": "org.keycloak.keys.KeyProvider", "providerId": "ecdsa-generated",
			"parentId": realm.ID, "config": map[string][]string{
				"priority": {fmt.Sprint(priority)}, "enabled": {"true"}, "active": {"true"}, "ecdsaEllipticCurveKey": {"P-256"},
			},
		})
	}
}

// ask calls the administration API.
func (k *keycloak) ask(t *testing.T, method, path string, body any) []byte {
	t.Helper()
	text, err := json.Marshal(body)
	require.NoError(t, err)
	request, err := http.NewRequestWithContext(t.Context(), method, k.url+"/admin/realms"+path, bytes.NewReader(text))
	require.NoError(t, err)
	request.Header.Set("Authorization", "Bearer "+k.token)
	request.Header.Set("Content-Type", "application/json")
	response, err := k.client.Do(request)
	require.NoError(t, err)
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	require.Less(t, response.StatusCode, 300, "%s %s: %s", method, path, answer)
	return answer
}

// realm makes a realm with clients, and returns its issuer.
func (k *keycloak) realm(t *testing.T, name string, algorithms []string, audienceScopes map[string]string, clients map[string]registration) string {
	t.Helper()
	k.ask(t, http.MethodPost, "", map[string]any{
		"realm": name, "enabled": true,
		"components": map[string]any{"org.keycloak.keys.KeyProvider": keycloakKeys(t, algorithms)},
	})
	path := "/" + name
	for scope := range strings.FieldsSeq(scope) {
		k.ask(t, http.MethodPost, path+"/client-scopes", map[string]any{"name": scope, "protocol": "openid-connect"})
	}
	k.ask(t, http.MethodPost, path+"/users", map[string]any{
		"username": userName, "enabled": true, "email": "alice@bank.example", "emailVerified": true,
		"firstName": "Alice", "lastName": "A",
		"credentials": []any{map[string]any{"type": "password", "value": userPassword}},
	})
	// The APIs that ask about tokens are clients, and must be there to be named.
	var asking []string
	for id, r := range clients {
		if strings.HasPrefix(id, asAPI("")) {
			k.ask(t, http.MethodPost, path+"/clients", keycloakClient(t, r))
			asking = append(asking, id)
		}
	}
	for audience, scope := range audienceScopes {
		k.ask(t, http.MethodPost, path+"/client-scopes", keycloakAudienceScope(t, scope, audience, asking))
	}
	for id, r := range clients {
		if !strings.HasPrefix(id, asAPI("")) {
			k.ask(t, http.MethodPost, path+"/clients", keycloakClient(t, r))
		}
	}
	return k.url + "/realms/" + name
}

// keycloakKeys are a key for each of these algorithms, and those for cookies and
// refresh tokens. RSA keys are made here, because Java needs seconds for one.
func keycloakKeys(t *testing.T, algorithms []string) (keys []any) {
	t.Helper()
	add := func(provider string, config map[string][]string) {
		keys = append(keys, map[string]any{"name": fmt.Sprint(len(keys)), "providerId": provider, "config": config})
	}
	add("hmac-generated", map[string][]string{"algorithm": {"HS512"}})
	add("aes-generated", map[string][]string{})
	for _, algorithm := range algorithms {
		switch algorithm {
		case "ES256":
			add("ecdsa-generated", map[string][]string{"ecdsaEllipticCurveKey": {"P-256"}})
		case "EdDSA":
			add("eddsa-generated", map[string][]string{"eddsaEllipticCurveKey": {"Ed25519"}})
		default:
			key, err := rsa.GenerateKey(rand.Reader, 2048)
			require.NoError(t, err)
			add("rsa", map[string][]string{"algorithm": {algorithm}, "privateKey": {string(keyPEM(t, key))}})
		}
	}
	return keys
}

// keycloakAudienceScope is the guide's, for another API and other clients that
// ask about its tokens.
func keycloakAudienceScope(t *testing.T, name, audience string, asking []string) map[string]any {
	t.Helper()
	scope := guideJSON(t, keycloakGuide, "protocolMappers")
	scope["name"] = name
	mappers := scope["protocolMappers"].([]any)
	require.Len(t, mappers, 2)
	mappers[0].(map[string]any)["config"].(map[string]any)["included.custom.audience"] = audience
	mapper, err := json.Marshal(mappers[1])
	require.NoError(t, err)
	mappers = mappers[:1]
	for _, client := range asking {
		var another map[string]any
		require.NoError(t, json.Unmarshal(mapper, &another))
		another["name"] = client
		another["config"].(map[string]any)["included.client.audience"] = client
		mappers = append(mappers, another)
	}
	scope["protocolMappers"] = mappers
	return scope
}

// keycloakClient is the guide's client, as another.
func keycloakClient(t *testing.T, r registration) map[string]any {
	t.Helper()
	client := guideJSON(t, keycloakGuide, "clientId")
	client["clientId"], client["optionalClientScopes"] = r.id, []string{"accounts", "payments", "api", "other"}
	attributes := client["attributes"].(map[string]any)
	if !r.bound {
		delete(attributes, "tls.client.certificate.bound.access.tokens")
	}
	if r.proves {
		attributes["dpop.bound.access.tokens"] = "true"
	}
	if r.format() == opaque {
		attributes["client.use.lightweight.access.token.enabled"] = "true"
	} else {
		attributes["access.token.signed.response.alg"] = r.format()
	}
	switch r.id {
	case webClient:
		client["standardFlowEnabled"], client["redirectUris"] = true, []string{redirectURI}
	case "ES256.plain":
		delete(attributes, "access.token.header.type.rfc9068")
	case "ES256.lower":
		attributes["token.response.type.bearer.lower-case"] = "true"
	}
	attributes["x509.subjectdn"] = r.certificate.Leaf.Subject.String()
	attributes["x509.casubjectdn"] = r.certificate.Leaf.Issuer.String()
	switch r.method {
	case privateKeyJWT:
		client["clientAuthenticatorType"] = "client-jwt"
		attributes["use.jwks.string"] = "true"
		keys, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{
			Key: r.key.Public(), KeyID: "assertion", Algorithm: "ES256", Use: "sig",
		}}})
		require.NoError(t, err)
		attributes["jwks.string"] = string(keys)
	case clientSecretBasic:
		client["clientAuthenticatorType"] = "client-secret"
		client["secret"] = r.secret
	}
	return client
}
