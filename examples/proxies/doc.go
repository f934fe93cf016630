// Package proxies is not imported. Its folders hold, for each proxy, the
// smallest right configuration in front of a resource server that uses
// Certbound, with every line that matters explained:
//
//	nginx/nginx.conf  haproxy/haproxy.cfg  apache/httpd.conf  caddy/Caddyfile
//
// What stands in double braces is filled in by the tests (text/template); put
// your own values there. Package binding/forwarded says more about each product.
//
// The tests start the real programs with these very files, in front of
// examples/server, and need them installed:
//
//	apt-get install --no-install-recommends nginx haproxy apache2
//	go build -o /dev/null github.com/caddyserver/caddy/v2/cmd/caddy   # takes minutes, once
//	go test ./...
//
// Traefik is not among them: its module needs replacements in the main module,
// one of which is a folder that is in no module, so that it cannot be built as
// anybody's dependency. What it sends is in binding/forwarded's test data.
package proxies
