package forwarded

// The products. Each comment shows the directive that sets the header, and says
// what drops the header that a client sends, and what goes wrong without that.
// Names of header fields are in their canonical form here; proxies may write
// them in any case. Where a vendor's documentation leaves something open, the
// comment says so.
//
// None of them is safe if anything but the proxy can reach this server: that is
// what [Trust] is for.
const (
	// Nginx is nginx: url-pem in X-Ssl-Client-Cert.
	//
	//	ssl_verify_client optional_no_ca;
	//	location / {
	//		proxy_set_header X-SSL-Client-Cert $ssl_client_escaped_cert;
	//		proxy_pass ...;
	//	}
	//
	// The same directive drops what the client sends: without a certificate the
	// variable is empty and nginx leaves the field out. If the directive is
	// missing in the location that serves the request, the client's field passes;
	// a directive at the level of the server is lost as soon as the location has
	// any proxy_set_header of its own. Leave underscores_in_headers off:
	// otherwise X_SSL_Client_Cert passes beside the real one, and the request is
	// refused as ambiguous. $ssl_client_cert and $ssl_client_raw_cert are other
	// formats (the first is pem-spaces by the time it gets here, the second
	// breaks the request). $ssl_client_fingerprint is SHA-1, for which there is
	// no format here.
	//
	// To refuse what nginx did not verify, forward $ssl_client_verify and name
	// its header in Config.VerifyHeader.
	Nginx Format = "nginx"

	// Envoy is Envoy as the only proxy: xfcc in X-Forwarded-Client-Cert, one
	// element.
	//
	//	forward_client_cert_details: SANITIZE_SET
	//	set_current_client_cert_details: { cert: true }
	//
	// SANITIZE_SET sets the header and drops the client's. Use no other mode.
	// With ALWAYS_FORWARD_ONLY anybody can pose as any client, and with
	// FORWARD_ONLY every client that has a certificate which Envoy accepts can:
	// the header that it sends arrives in place of Envoy's. With APPEND_FORWARD,
	// the exact number of elements refuses what a client adds. Leave uri and dns
	// out: Envoy does not quote their values, which the client chose, and a comma
	// or semicolon in one of them makes the header ambiguous
	// (envoyproxy/envoy#32945). More about this is in envoy.md beside this file.
	Envoy Format = "envoy"

	// Istio is an Istio ingress gateway with a sidecar in front of this server:
	// xfcc in X-Forwarded-Client-Cert, exactly two elements, of which the first
	// is read. The gateway writes it about the client, the sidecar appends one
	// about the gateway.
	//
	//	meshConfig:
	//	  defaultConfig:
	//	    gatewayTopology:
	//	      forwardClientCertDetails: SANITIZE_SET
	//
	// SANITIZE_SET at the gateway drops what the client sends. The sidecar's
	// APPEND_FORWARD drops nothing: any workload in the mesh that may call this
	// one can send an element of its own, and the sidecar adds the second. So an
	// AuthorizationPolicy must allow only the gateway's identity to call this
	// workload; without it, every workload in the mesh can pose as any client.
	//
	// For a client without a certificate one element arrives, the one about the
	// gateway: that counts as no certificate. Without a sidecar here, use Envoy.
	Istio Format = "istio"

	// HAProxy is HAProxy in the form of RFC 9440: rfc9440 in Client-Cert.
	//
	//	bind :443 ssl crt ... verify optional ca-file ... no-ca-names crt-ignore-err all ca-ignore-err all
	//	http-request del-header Client-Cert
	//	http-request del-header Client-Cert-Chain
	//	http-request set-header Client-Cert :%[ssl_c_der,base64]: if { ssl_c_used }
	//
	// del-header drops what the client sends. Without it, a client that has no
	// certificate can send a header of its own, because set-header is then
	// skipped. With add-header in place of set-header the client's line stays
	// first (refused as ambiguous). Without the condition, and for a certificate
	// whose base64 is longer than tune.bufsize, "::" arrives, which counts as no
	// certificate. Use ssl_c_used: ssl_fc_has_crt is false on resumed sessions.
	// Client_Cert and Client.Cert always pass, and are refused here beside the
	// real one.
	//
	// Without no-ca-names HAProxy names the CAs of ca-file in the handshake, and
	// many clients, Go's and Java's among them, then present no certificate that is
	// not of one of these, a self-signed one for instance. With a PKI of your own
	// leave no-ca-names and both ignore-err out.
	HAProxy Format = "haproxy"

	// Traefik is an encoding and a product: the base64 of the DER encoding,
	// percent-encoded by versions before 2.9.2, of every certificate that the
	// client sent, comma-separated, the client's own first, in
	// X-Forwarded-Tls-Client-Cert.
	//
	//	http:
	//	  middlewares:
	//	    certificate: { passTLSClientCert: { pem: true } }
	//
	// The entry point drops the client's header, as it does every X-Forwarded
	// header, unless forwardedHeaders.insecure is set or its trustedIPs match.
	// With either of them the client's header passes when there is no client
	// certificate, because the middleware then does nothing. So leave both unset,
	// or let trustedIPs match only a load balancer that drops the header itself.
	Traefik Format = "traefik"

	// Caddy is Caddy in the form of RFC 9440: rfc9440 in Client-Cert.
	//
	//	tls ... { client_auth { mode request } }
	//	@cert expression `{http.request.tls.client.certificate_der_base64} != null && {http.request.tls.client.certificate_der_base64} != ""`
	//	handle @cert {
	//		reverse_proxy ... {
	//			header_up Client-Cert ":{http.request.tls.client.certificate_der_base64}:"
	//			header_up -Client-Cert-Chain
	//		}
	//	}
	//	handle {
	//		reverse_proxy ... {
	//			header_up -Client-Cert
	//			header_up -Client-Cert-Chain
	//		}
	//	}
	//
	// header_up replaces what the client sends, and with "-" drops it. Without
	// the second handle, a client that has no certificate can send a header of
	// its own. Without the matcher, "::" or the placeholder's own text arrives
	// when there is no certificate, depending on the version; both count as no
	// certificate here. With header_up + the client's line stays first (refused
	// as ambiguous). Set it in reverse_proxy, not with request_header: a client
	// can have that header removed by naming it in Connection. Versions before
	// 2.11.4 let Client_Cert pass.
	Caddy Format = "caddy"

	// Apache is Apache httpd: pem-spaces in X-Ssl-Client-Cert.
	//
	//	SSLVerifyClient optional_no_ca
	//	RequestHeader unset Connection
	//	RequestHeader unset X-SSL-Client-Cert
	//	RequestHeader set X-SSL-Client-Cert "%{SSL_CLIENT_CERT}s" "expr=-n %{SSL:SSL_CLIENT_CERT}"
	//
	// unset drops what the client sends. Without it, a client that has no
	// certificate can send a header of its own, because the conditional set is
	// then skipped; without the condition "(null)" arrives, which counts as no
	// certificate. With add in place of set the client's line stays first
	// (refused as ambiguous). Without "unset Connection" a client can have the
	// header removed, which harms only itself. X_SSL_Client_Cert and
	// X.SSL.Client.Cert pass, and are refused here beside the real one.
	//
	// Do not forward SSL_CLIENT_VERIFY for Config.VerifyHeader: with
	// optional_no_ca and TLS 1.2 it is SUCCESS for a self-signed certificate on
	// a resumed session.
	Apache Format = "apache"

	// AWSALBVerify is an AWS Application Load Balancer whose listener verifies
	// client certificates (--mutual-authentication Mode=verify): url-pem in
	// X-Amzn-Mtls-Clientcert-Leaf. A listener can rename it: then set
	// Config.Header.
	//
	// AWS does not document what happens to the same header from a client, so
	// rely on this instead: in this mode a handshake without a valid certificate
	// fails, so that no request comes without the load balancer's header. That
	// holds only if no other listener, such as HTTP on port 80, has the same
	// target group, and the target's security group admits only the load
	// balancer. Otherwise a client can send a header of its own.
	AWSALBVerify Format = "aws-alb-verify"

	// AWSALBPassthrough is an AWS Application Load Balancer that passes client
	// certificates on unverified (--mutual-authentication Mode=passthrough):
	// url-pem-chain in X-Amzn-Mtls-Clientcert, the client's own certificate
	// first. A listener can rename it: then set Config.Header.
	//
	// AWS documents neither what happens to the same header from a client, nor
	// what is sent without a client certificate. Test it: send the header without
	// a certificate through your load balancer, and expect 401. If it passes, any
	// client can pose as any other: use AWSALBVerify. What is said there about
	// other listeners and security groups also applies here.
	AWSALBPassthrough Format = "aws-alb-passthrough"

	// CloudFront is Amazon CloudFront with viewer mTLS: url-pem in
	// Cloudfront-Viewer-Cert-Pem, for which the origin request policy must name
	// CloudFront-Viewer-Cert-Pem.
	//
	// CloudFront sets headers with that prefix itself. Whatever reaches the
	// origin without passing CloudFront can send them as well, and CloudFront's
	// addresses are shared by all distributions of all customers: have a custom
	// origin header carry a secret, and require [TrustSharedSecret].
	CloudFront Format = "cloudfront"

	// GCP is a Google Cloud Application Load Balancer: rfc9440 in a custom
	// request header, X-Client-Cert-Leaf unless configured.
	//
	//	gcloud compute backend-services update ... --custom-request-header='X-Client-Cert-Leaf:{client_cert_leaf}'
	//
	// The custom header replaces what the client sends. It is empty if there is
	// no certificate, if its validation failed, and if it is longer than 16 KB. A
	// backend service without the setting lets the client's header pass. The load
	// balancers' addresses are shared by all customers: [TrustPeers] with a range
	// of them is only as good as the firewall in front of this server.
	GCP Format = "gcp"

	// AzureAppService is Azure App Service: base64-der in X-Arr-Clientcert
	// (X-ARR-ClientCert). Set "Client certificate mode" to Require and "HTTPS
	// Only" to on.
	//
	// Microsoft documents that the front end sets the header; this has not been
	// tested here. The front end does not validate the certificate. In the modes
	// Optional and Allow, and over plain HTTP, requests arrive without one, and
	// then only the front end can keep a client's own header out.
	AzureAppService Format = "azure-app-service"

	// AzureContainerApps is the ingress of Azure Container Apps, which is an
	// Envoy: xfcc in X-Forwarded-Client-Cert, one element. Set
	// clientCertificateMode to require.
	//
	// Microsoft does not document what happens to the same header from a client.
	// With accept or ignore in place of require, test it: send the header without
	// a certificate and expect 401. Other apps of the environment may reach this
	// one without passing the ingress, so do not trust the environment's whole
	// range.
	AzureContainerApps Format = "azure-container-apps"

	// Cloudflare is Cloudflare's request header transform rules: rfc9440 in
	// Client-Cert. First a rule that holds for all requests,
	//
	//	Remove       Client-Cert
	//	Remove       Client-Cert-Chain
	//
	// then one for cf.tls_client_auth.cert_rfc9440 ne "":
	//
	//	Set dynamic  Client-Cert = cf.tls_client_auth.cert_rfc9440
	//
	// Without the first rule the client's own header passes whenever it presents
	// no certificate. The field is filled whether or not the certificate is
	// valid, and is empty if it would be longer than 10 KiB. Cloudflare's
	// addresses are shared by all its customers: require the certificate of your
	// own Authenticated Origin Pulls with [TrustProxyCertificate]. The older
	// Cf-Client-Cert headers come only with the first request of a connection,
	// and are of no use here.
	Cloudflare Format = "cloudflare"

	// Kong is Kong Gateway's plugin tls-metadata-headers: url-pem in
	// X-Client-Cert.
	//
	//	plugins:
	//	- name: tls-handshake-modifier        # or mtls-auth: it asks for the certificate
	//	- name: tls-metadata-headers
	//	  config: { inject_client_cert_details: true }
	//	- name: pre-function                  # runs before all others
	//	  config: { access: ['kong.service.request.clear_header("X-Client-Cert")'] }
	//
	// pre-function drops what the client sends: without a certificate the plugin
	// injects nothing, and the client's own header would pass. The fingerprint
	// that the plugin offers is SHA-1, for which there is no format here.
	Kong Format = "kong"

	// Fastly is Fastly's VCL: base64-pem in X-Ssl-Client-Cert.
	//
	//	sub vcl_recv {
	//		if (fastly.ff.visits_this_service == 0) {
	//			unset req.http.X-SSL-Client-Cert;
	//			if (tls.client.certificate.raw_certificate_b64 != "") {
	//				set req.http.X-SSL-Client-Cert = tls.client.certificate.raw_certificate_b64;
	//			}
	//		}
	//	}
	//
	// unset drops what the client sends; without it, a client that has no
	// certificate can send a header of its own. The condition is for shielding:
	// at the second node the TLS client is Fastly. The variable holds at most 4 KiB.
	// Fastly's addresses are shared by all its customers: require
	// [TrustSharedSecret] or [TrustProxyCertificate].
	Fastly Format = "fastly"

	// F5 is an F5 BIG-IP iRule: base64-der in X-Ssl-Client-Cert.
	//
	//	when HTTP_REQUEST {
	//		HTTP::header remove X-SSL-Client-Cert
	//		if { [SSL::cert count] > 0 } {
	//			HTTP::header insert X-SSL-Client-Cert [b64encode [SSL::cert 0]]
	//		}
	//	}
	//
	// remove drops what the client sends; without it, insert leaves the client's
	// line beside the real one (refused as ambiguous), and a client that has no
	// certificate can send a header of its own. The client SSL profile must
	// request certificates.
	F5 Format = "f5"

	// CloudFoundry is Cloud Foundry's gorouter: base64-der in
	// X-Forwarded-Client-Cert. The header has Envoy's name, but not Envoy's
	// grammar.
	//
	//	router.forwarded_client_cert: sanitize_set
	//
	// sanitize_set sets the header from the handshake with the gorouter and
	// drops the client's. With forward and always_forward, what the load balancer
	// in front sends passes. That load balancer must then drop the client's
	// header: if it does not, any client can pose as any other.
	CloudFoundry Format = "cloud-foundry"

	// Auth0 is an edge set up for Auth0's custom domains with mTLS ("customer
	// edge"): url-pem, the client's own certificate alone, in Client-Certificate,
	// at most 4,096 bytes; beside it Client-Certificate-Ca-Verified, which is
	// SUCCESS, or FAILED with an optional reason ("FAILED:...") for a self-signed
	// certificate; and Cname-Api-Key, which proves that the edge sent the
	// request. All three are required, the last one by [TrustSharedSecret] with
	// that name.
	//
	// A self-signed certificate is accepted, because the binding needs no CA (RFC
	// 8705 §6.2); set VerifyValues to SUCCESS alone to refuse it. If the header
	// has any other value, or is missing, the certificate is refused.
	//
	// The edge must replace all three headers, and drop them if there is no
	// certificate: a client whose own header passes together with the edge's key
	// can pose as any other. How to do that depends on the edge; for nginx:
	//
	//	proxy_set_header client-certificate             $ssl_client_escaped_cert;
	//	proxy_set_header client-certificate-ca-verified $ssl_client_verify;
	//	proxy_set_header cname-api-key                  ...;
	Auth0 Format = "auth0"
)
