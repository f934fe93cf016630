import com.nimbusds.jose.JWSAlgorithm;
import com.nimbusds.jose.jwk.Curve;
import com.nimbusds.jose.jwk.gen.ECKeyGenerator;
import com.nimbusds.oauth2.sdk.ClientCredentialsGrant;
import com.nimbusds.oauth2.sdk.Scope;
import com.nimbusds.oauth2.sdk.TokenRequest;
import com.nimbusds.oauth2.sdk.TokenResponse;
import com.nimbusds.oauth2.sdk.as.AuthorizationServerMetadata;
import com.nimbusds.oauth2.sdk.auth.ClientAuthentication;
import com.nimbusds.oauth2.sdk.auth.ClientSecretBasic;
import com.nimbusds.oauth2.sdk.auth.PKITLSClientAuthentication;
import com.nimbusds.oauth2.sdk.auth.Secret;
import com.nimbusds.oauth2.sdk.dpop.DPoPProofFactory;
import com.nimbusds.oauth2.sdk.dpop.DefaultDPoPProofFactory;
import com.nimbusds.oauth2.sdk.http.HTTPRequest;
import com.nimbusds.oauth2.sdk.http.HTTPResponse;
import com.nimbusds.oauth2.sdk.id.ClientID;
import com.nimbusds.oauth2.sdk.id.Issuer;
import com.nimbusds.oauth2.sdk.token.AccessToken;
import com.nimbusds.oauth2.sdk.token.BearerAccessToken;
import com.nimbusds.oauth2.sdk.token.BearerTokenError;
import com.nimbusds.oauth2.sdk.token.DPoPAccessToken;
import com.nimbusds.oauth2.sdk.token.DPoPTokenError;
import com.nimbusds.oauth2.sdk.token.TokenSchemeError;
import com.nimbusds.oauth2.sdk.util.JSONObjectUtils;
import com.nimbusds.openid.connect.sdk.Nonce;
import java.io.ByteArrayInputStream;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyFactory;
import java.security.KeyStore;
import java.security.PrivateKey;
import java.security.cert.Certificate;
import java.security.cert.CertificateFactory;
import java.security.spec.PKCS8EncodedKeySpec;
import java.util.ArrayList;
import java.util.Base64;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLSocketFactory;
import javax.net.ssl.TrustManagerFactory;
import net.minidev.json.JSONObject;

/**
 * A client of a protected API, by Nimbus's SDK. Standard input holds its task in one line of JSON; it answers with what
 * came of it in one line, in terms of the SDK's own types.
 *
 * <p>All that it is told is the API. From the challenge there it finds the authorization server, gets a token that is
 * bound to its certificate (RFC 8705) or to its key (RFC 9449), and gets data. It asks for the scope that it turns out
 * to need.
 */
public class Client {
  static JSONObject task;
  static boolean byCertificate;
  static AuthorizationServerMetadata server;

  final SSLSocketFactory sockets;
  final DPoPProofFactory proofs;
  final Map<String, Nonce> nonces = new HashMap<>(); // the newest of each origin

  Client(JSONObject identity) throws Exception {
    sockets = sockets(identity);
    proofs = byCertificate ? null
        : new DefaultDPoPProofFactory(new ECKeyGenerator(Curve.P_256).generate(), JWSAlgorithm.ES256);
  }

  public static void main(String[] arguments) throws Exception {
    task = JSONObjectUtils.parse(new String(System.in.readAllBytes(), StandardCharsets.UTF_8).trim());
    byCertificate = task.getAsString("binding").equals("certificate");
    Client owner = new Client((JSONObject) task.get("own"));
    Client thief = new Client((JSONObject) task.get("thief"));

    HTTPResponse expired = owner.call(new BearerAccessToken(task.getAsString("expired")), "/whoami");
    // The SDK reads no resource_metadata (RFC 9728), and Java has the challenges in any order.
    Matcher found = Pattern.compile("resource_metadata=\"([^\"]*)\"").matcher(String.join(", ", challenges(expired)));
    if (!found.find()) throw new IllegalStateException("no resource_metadata");
    JSONObject resource = owner.get(found.group(1)).getBodyAsJSONObject();
    List<?> servers = (List<?>) resource.get("authorization_servers");
    server = AuthorizationServerMetadata.resolve(
        new Issuer((String) servers.get(0)), request -> request.setSSLSocketFactory(owner.sockets));

    AccessToken weak = owner.token(new Scope("accounts"));
    JSONObject who = owner.call(weak, "/whoami").getBodyAsJSONObject();
    HTTPResponse forbidden = owner.call(weak, "/payments");
    Scope more = new Scope("accounts");
    more.addAll(errorOf(forbidden).getScope());
    JSONObject paid = owner.call(owner.token(more), "/payments").getBodyAsJSONObject();
    HTTPResponse unavailable = owner.call(weak, "/later");
    HTTPResponse stolen = thief.call(weak, "/whoami");

    JSONObject report = new JSONObject();
    report.put("resource", resource.get("resource"));
    report.put("servers", servers);
    report.put("who", who);
    report.put("paid", paid);
    report.put("expired", refusal(expired));
    report.put("stolen", refusal(stolen));
    report.put("forbidden", refusal(forbidden));
    report.put("unavailable", refusal(unavailable));
    System.out.println(report.toJSONString());
  }

  HTTPResponse get(String url) throws Exception {
    HTTPRequest request = new HTTPRequest(HTTPRequest.Method.GET, new URI(url));
    request.setSSLSocketFactory(sockets);
    return request.send();
  }

  AccessToken token(Scope scope) throws Exception {
    ClientID id = new ClientID(task.getAsString("id"));
    ClientAuthentication authentication = byCertificate ? new PKITLSClientAuthentication(id, sockets)
        : new ClientSecretBasic(id, new Secret(task.getAsString("secret")));
    URI endpoint = byCertificate ? server.getReadOnlyMtlsEndpointAliases().getTokenEndpointURI()
        : server.getTokenEndpointURI();
    HTTPResponse response = prove(
        () -> new TokenRequest(endpoint, authentication, new ClientCredentialsGrant(), scope).toHTTPRequest(), null);
    TokenResponse answer = TokenResponse.parse(response);
    if (!answer.indicatesSuccess()) throw new IllegalStateException(answer.toErrorResponse().getErrorObject().getCode());
    return answer.toSuccessResponse().getTokens().getAccessToken();
  }

  HTTPResponse call(AccessToken token, String path) throws Exception {
    return prove(() -> {
      HTTPRequest request = new HTTPRequest(HTTPRequest.Method.GET, new URI(task.getAsString("api") + path));
      request.setAuthorization(token.toAuthorizationHeader());
      return request;
    }, token);
  }

  interface Requests {
    HTTPRequest make() throws Exception;
  }

  /** Sends a request, with a proof where one is made, and once more if it was for want of a nonce that it failed. */
  HTTPResponse prove(Requests requests, AccessToken token) throws Exception {
    HTTPResponse response = null;
    for (int attempt = 0; attempt < 2; attempt++) {
      HTTPRequest request = requests.make();
      request.setSSLSocketFactory(sockets);
      URI uri = request.getURI();
      boolean proven = proofs != null && !(token instanceof BearerAccessToken);
      Nonce nonce = nonces.get(uri.getAuthority());
      if (proven) {
        String method = request.getMethod().name();
        request.setDPoP(token == null ? proofs.createDPoPJWT(method, uri, nonce)
            : proofs.createDPoPJWT(method, uri, (DPoPAccessToken) token, nonce));
      }
      response = request.send();
      if (response.getDPoPNonce() != null) nonces.put(uri.getAuthority(), response.getDPoPNonce());
      if (!proven || nonce != null || response.getDPoPNonce() == null || response.indicatesSuccess()) return response;
    }
    return response;
  }

  static List<String> challenges(HTTPResponse response) {
    List<String> challenges = response.getHeaderValues("WWW-Authenticate");
    return challenges == null ? List.of() : challenges;
  }

  static TokenSchemeError parse(String challenge) throws Exception {
    return challenge.startsWith("DPoP ") ? DPoPTokenError.parse(challenge) : BearerTokenError.parse(challenge);
  }

  /** The error of the one challenge that has any, or null. */
  static TokenSchemeError errorOf(HTTPResponse response) throws Exception {
    for (String challenge : challenges(response)) {
      TokenSchemeError error = parse(challenge);
      if (error.getCode() != null) return error;
    }
    return null;
  }

  static JSONObject refusal(HTTPResponse response) throws Exception {
    if (response.indicatesSuccess()) throw new IllegalStateException("it was not refused");
    List<String> schemes = new ArrayList<>();
    for (String challenge : challenges(response)) schemes.add(parse(challenge).getScheme().getValue());
    TokenSchemeError error = errorOf(response);
    JSONObject said = new JSONObject();
    said.put("type", (error == null ? response : error).getClass().getSimpleName());
    said.put("status", response.getStatusCode());
    said.put("schemes", schemes);
    if (error != null) {
      said.put("error", error.getCode());
      if (error.getScope() != null) said.put("scope", error.getScope().toString());
    }
    if (response.getHeaderValue("Retry-After") != null) {
      said.put("retryAfter", Integer.valueOf(response.getHeaderValue("Retry-After")));
    }
    return said;
  }

  static SSLSocketFactory sockets(JSONObject identity) throws Exception {
    KeyStore trusted = KeyStore.getInstance("PKCS12");
    trusted.load(null, null);
    trusted.setCertificateEntry("root", certificate(task.getAsString("ca")));
    TrustManagerFactory trust = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
    trust.init(trusted);
    KeyManagerFactory keys = KeyManagerFactory.getInstance(KeyManagerFactory.getDefaultAlgorithm());
    KeyStore own = KeyStore.getInstance("PKCS12");
    own.load(null, null);
    if (byCertificate) {
      byte[] key = Base64.getMimeDecoder().decode(
          Files.readString(Path.of(identity.getAsString("key"))).replaceAll("-----[A-Z ]+-----", ""));
      PrivateKey privateKey = KeyFactory.getInstance("EC").generatePrivate(new PKCS8EncodedKeySpec(key));
      own.setKeyEntry("client", privateKey, new char[0],
          new Certificate[] {certificate(identity.getAsString("certificate"))});
    }
    keys.init(own, new char[0]);
    SSLContext context = SSLContext.getInstance("TLS");
    context.init(keys.getKeyManagers(), trust.getTrustManagers(), null);
    return context.getSocketFactory();
  }

  static Certificate certificate(String file) throws Exception {
    return CertificateFactory.getInstance("X.509").generateCertificate(
        new ByteArrayInputStream(Files.readAllBytes(Path.of(file))));
  }
}
