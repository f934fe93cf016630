package forwarded

// The products. Each comment shows the directive that sets the header, says
// what drops the one that a client sends, and what goes wrong without it. Names
// of header fields are in their canonical form here; proxies may write them in
// any case. What a vendor's documentation leaves open is said to be open.
//
// None of them is safe if anything but the proxy reaches this server: that is
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
	// variable is empty and nginx leaves the field out. Without the directive in
	// the location that serves the request the client's field passes; one at the
	// level of the server is lost as soon as the location has any
	// proxy_set_header of its own. Leave underscores_in_headers off, or
	// X_SSL_Client_Cert passes beside the real one, and is refused as ambiguous.
	// $ssl_client_cert and $ssl_client_raw_cert are other formats (the first is
	// pem-spaces by the time it gets here, the second breaks the request).
	// $ssl_client_fingerprint is SHA-1, and no format here.
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
	// SANITIZE_SET sets the header and drops the client's. With FORWARD_ONLY,
	// APPEND_FORWARD and ALWAYS_FORWARD_ONLY the client's elements pass: with the
	// exact number of elements most of that is refused, but ALWAYS_FORWARD_ONLY
	// lets any client be anybody. Leave uri and dns out: Envoy does not quote
	// their values, which the client chose, and a comma or semicolon in one of
	// them makes the header ambiguous (envoyproxy/envoy#32945).
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
	// one can send an element of its own, and the sidecar's makes two. So an
	// AuthorizationPolicy must let the gateway's identity alone call this
	// workload; without it every workload in the mesh can be any client.
	// Without a sidecar here, use Envoy.
	Istio Format = "istio"

	// HAProxy is HAProxy as RFC 9440 has it: rfc9440 in Client-Cert.
	//
	//	bind :443 ssl crt ... verify optional ca-file ... crt-ignore-err all ca-ignore-err all
	//	http-request del-header Client-Cert
	//	http-request del-header Client-Cert-Chain
	//	http-request set-header Client-Cert :%[ssl_c_der,base64]: if { ssl_c_used }
	//
	// del-header drops what the client sends. Without it a client without a
	// certificate sends its own, for the set-header is then skipped. add-header
	// in place of set-header leaves the client's line first (refused as
	// ambiguous). Without the condition, and for a certificate whose base64 is
	// longer than tune.bufsize, "::" arrives, which is no certificate. Ask for
	// ssl_c_used: ssl_fc_has_crt is false on resumed sessions. Client_Cert and Client.Cert
	// always pass, and are refused here beside the real one.
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
	// certificate, for the middleware then does nothing. So leave both unset, or
	// let trustedIPs match only a load balancer that drops the header itself.
	Traefik Format = "traefik"

	// Caddy is Caddy as RFC 9440 has it: rfc9440 in Client-Cert.
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
	// the second handle a client without a certificate sends its own. Without
	// the matcher, no certificate arrives as "::" or as the placeholder's own
	// text, by version; both are no certificate here. With header_up + the
	// client's line stays first (refused as ambiguous). Set it in reverse_proxy,
	// not with request_header: a client can have that one removed by naming it
	// in Connection. Versions before 2.11.4 let Client_Cert pass.
	Caddy Format = "caddy"

	// Apache is Apache httpd: pem-spaces in X-Ssl-Client-Cert.
	//
	//	SSLVerifyClient optional_no_ca
	//	RequestHeader unset Connection
	//	RequestHeader unset X-SSL-Client-Cert
	//	RequestHeader set X-SSL-Client-Cert "%{SSL_CLIENT_CERT}s" "expr=-n %{SSL:SSL_CLIENT_CERT}"
	//
	// unset drops what the client sends. Without it a client without a
	// certificate sends its own, for the conditional set is then skipped; without
	// the condition "(null)" arrives, which is no certificate. With add in place
	// of set the client's line stays first (refused as ambiguous). Without unset
	// Connection a client can have the header removed, which only harms itself.
	// X_SSL_Client_Cert and X.SSL.Client.Cert pass, and are refused here beside
	// the real one.
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
	// What becomes of the same header from a client AWS does not document, so
	// rely on this: in this mode a handshake without a valid certificate fails,
	// and no request comes without the header. It holds as long as no other
	// listener, HTTP on port 80 for one, has the same target group, and the
	// target's security group lets the load balancer alone in. Otherwise a
	// client sends its own.
	AWSALBVerify Format = "aws-alb-verify"

	// AWSALBPassthrough is an AWS Application Load Balancer that passes client
	// certificates on unverified (--mutual-authentication Mode=passthrough):
	// url-pem-chain in X-Amzn-Mtls-Clientcert, the client's own certificate
	// first. A listener can rename it: then set Config.Header.
	//
	// AWS documents neither what becomes of the same header from a client, nor
	// what is sent without a client certificate. Test it: send the header
	// without a certificate through your load balancer, and expect 401. If it
	// passes, every client can be any other; use AWSALBVerify. What is said
	// there about other listeners and security groups holds here.
	AWSALBPassthrough Format = "aws-alb-passthrough"

	// CloudFront is Amazon CloudFront with viewer mTLS: url-pem in
	// Cloudfront-Viewer-Cert-Pem, for which the origin request policy must name
	// CloudFront-Viewer-Cert-Pem.
	//
	// CloudFront makes headers of that prefix itself. Whatever reaches the
	// origin past CloudFront can send them as well, and CloudFront's addresses
	// are those of every distribution of every customer: have a custom origin
	// header carry a secret, and require [TrustSharedSecret].
	CloudFront Format = "cloudfront"

	// GCP is a Google Cloud Application Load Balancer: rfc9440 in a custom
	// request header, X-Client-Cert-Leaf unless configured.
	//
	//	gcloud compute backend-services update ... --custom-request-header='X-Client-Cert-Leaf:{client_cert_leaf}'
	//
	// The custom header replaces what the client sends. It is empty without a
	// certificate, when its validation failed, and over 16 KB. A backend service
	// without the setting lets the client's header pass. The load balancers'
	// addresses are shared by all customers: a range of them as [TrustPeers] is
	// only as good as the firewall in front of this server.
	GCP Format = "gcp"

	// AzureAppService is Azure App Service: base64-der in X-Arr-Clientcert
	// (X-ARR-ClientCert). Set "Client certificate mode" to Require and "HTTPS
	// Only" to on.
	//
	// The front end owns the header, as Microsoft documents it; it has not been
	// tested here. It does not validate the certificate. In the modes Optional
	// and Allow, and over plain HTTP, requests arrive without one, and the header
	// is then only as absent as the front end makes it.
	AzureAppService Format = "azure-app-service"

	// AzureContainerApps is the ingress of Azure Container Apps, which is an
	// Envoy: xfcc in X-Forwarded-Client-Cert, one element. Set
	// clientCertificateMode to require.
	//
	// Microsoft does not document what becomes of the same header from a client.
	// With accept and ignore in place of require, test it: send the header
	// without a certificate and expect 401. Other apps of the environment may
	// reach this one past the ingress; so do not trust the environment's whole
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
	// valid, and empty over 10 KiB. Cloudflare's addresses are shared by all its
	// customers: require the certificate of your own Authenticated Origin Pulls
	// with [TrustProxyCertificate]. The older Cf-Client-Cert headers come with the
	// first request of a connection only, and cannot serve.
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
	// The last one drops what the client sends. Without a certificate the plugin
	// injects nothing, and the client's own header would pass. The fingerprint
	// that the plugin offers is SHA-1, and no format here.
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
	// unset drops what the client sends; without it a client without a
	// certificate sends its own. The condition is for shielding: at the second
	// node the TLS client is Fastly. The variable ends at 4 KiB. Fastly's
	// addresses are shared by all its customers: require [TrustSharedSecret] or
	// [TrustProxyCertificate].
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
	// line beside the real one (refused as ambiguous), and a client without a
	// certificate sends its own. The client SSL profile must request certificates.
	F5 Format = "f5"

	// CloudFoundry is Cloud Foundry's gorouter: base64-der in
	// X-Forwarded-Client-Cert, which is not Envoy's grammar under Envoy's name.
	//
	//	router.forwarded_client_cert: sanitize_set
	//
	// sanitize_set sets the header from the handshake with the gorouter and
	// drops the client's. With forward and always_forward what the load balancer
	// in front sends passes, and it is that one that must drop the client's:
	// where it does not, every client can be any other.
	CloudFoundry Format = "cloud-foundry"

	// Auth0 is an edge set up for Auth0's custom domains with mTLS ("customer
	// edge"): url-pem, the client's own certificate alone, in Client-Certificate,
	// at most 4,096 bytes; beside it Client-Certificate-Ca-Verified, which is
	// SUCCESS, or FAILED with an optional reason ("FAILED:...") for a self-signed
	// certificate; and Cname-Api-Key, which proves the edge. All three are
	// required, the last as [TrustSharedSecret] with that name.
	//
	// A self-signed certificate is accepted, for the binding needs no CA (RFC
	// 8705 §6.2); VerifyValues of SUCCESS alone refuses it. Any other value, or
	// none, refuses every certificate.
	//
	// The edge must replace all three headers and drop them where there is no
	// certificate: a client that can have one of its own pass beside the edge's
	// key is any client it likes. How depends on the edge; for one made of nginx:
	//
	//	proxy_set_header client-certificate             $ssl_client_escaped_cert;
	//	proxy_set_header client-certificate-ca-verified $ssl_client_verify;
	//	proxy_set_header cname-api-key                  ...;
	Auth0 Format = "auth0"
)
