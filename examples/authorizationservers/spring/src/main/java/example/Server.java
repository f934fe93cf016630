package example;

import static org.springframework.security.config.Customizer.withDefaults;

import com.nimbusds.jose.JOSEException;
import com.nimbusds.jose.JWSAlgorithm;
import com.nimbusds.jose.jwk.Curve;
import com.nimbusds.jose.jwk.JWK;
import com.nimbusds.jose.jwk.JWKSelector;
import com.nimbusds.jose.jwk.JWKSet;
import com.nimbusds.jose.jwk.KeyUse;
import com.nimbusds.jose.jwk.gen.ECKeyGenerator;
import com.nimbusds.jose.jwk.gen.RSAKeyGenerator;
import com.nimbusds.jose.jwk.source.JWKSource;
import com.nimbusds.jose.proc.SecurityContext;
import jakarta.servlet.http.HttpServletRequest;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.MessageDigest;
import java.security.cert.X509Certificate;
import java.util.ArrayList;
import java.util.Base64;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import java.util.concurrent.CopyOnWriteArrayList;
import org.springframework.beans.factory.annotation.Value;
import org.springframework.boot.SpringApplication;
import org.springframework.boot.autoconfigure.SpringBootApplication;
import org.springframework.context.annotation.Bean;
import org.springframework.core.annotation.Order;
import org.springframework.http.MediaType;
import org.springframework.security.config.annotation.web.builders.HttpSecurity;
import org.springframework.security.core.userdetails.User;
import org.springframework.security.core.userdetails.UserDetailsService;
import org.springframework.security.crypto.bcrypt.BCryptPasswordEncoder;
import org.springframework.security.crypto.password.PasswordEncoder;
import org.springframework.security.oauth2.core.AuthorizationGrantType;
import org.springframework.security.oauth2.core.ClientAuthenticationMethod;
import org.springframework.security.oauth2.jose.jws.SignatureAlgorithm;
import org.springframework.security.oauth2.server.authorization.OAuth2TokenType;
import org.springframework.security.oauth2.server.authorization.client.InMemoryRegisteredClientRepository;
import org.springframework.security.oauth2.server.authorization.client.RegisteredClient;
import org.springframework.security.oauth2.server.authorization.client.RegisteredClientRepository;
import org.springframework.security.oauth2.server.authorization.settings.AuthorizationServerSettings;
import org.springframework.security.oauth2.server.authorization.settings.ClientSettings;
import org.springframework.security.oauth2.server.authorization.settings.OAuth2TokenFormat;
import org.springframework.security.oauth2.server.authorization.settings.TokenSettings;
import org.springframework.security.oauth2.server.authorization.token.JwtEncodingContext;
import org.springframework.security.oauth2.server.authorization.token.OAuth2TokenClaimsContext;
import org.springframework.security.oauth2.server.authorization.token.OAuth2TokenContext;
import org.springframework.security.oauth2.server.authorization.token.OAuth2TokenCustomizer;
import org.springframework.security.oauth2.server.authorization.web.authentication.PublicClientAuthenticationConverter;
import org.springframework.security.provisioning.InMemoryUserDetailsManager;
import org.springframework.security.web.SecurityFilterChain;
import org.springframework.security.web.authentication.LoginUrlAuthenticationEntryPoint;
import org.springframework.security.web.util.matcher.MediaTypeRequestMatcher;
import org.springframework.web.context.request.RequestContextHolder;
import org.springframework.web.context.request.ServletRequestAttributes;
import tools.jackson.databind.json.JsonMapper;

/**
 * A Spring Authorization Server with the clients of a file. A line on its standard input gives it a new key, and the old
 * ones stay published; the end of its input ends it.
 */
@SpringBootApplication
public class Server {
    /** A client, as the tests register it. */
    record Client(String id, String method, String secret, String subject, String keys, boolean bound, boolean binds,
            List<String> scopes, String redirect, String format) {}

    public static void main(String[] arguments) throws IOException, JOSEException {
        SpringApplication.run(Server.class, arguments);
        BufferedReader lines = new BufferedReader(new InputStreamReader(System.in));
        while (lines.readLine() != null) {
            Keys.rotate();
        }
        System.exit(0);
    }

    private final Map<String, Client> clients = new HashMap<>();
    private final String audience;
    private final String another;

    Server(@Value("${clients}") Path file, @Value("${audience}") String audience, @Value("${another}") String another)
            throws IOException {
        this.audience = audience;
        this.another = another;
        for (Client client : new JsonMapper().readValue(Files.readString(file), Client[].class)) {
            clients.put(client.id(), client);
        }
    }

    /** A key of each algorithm, and more for ES256, of which the newest signs. */
    static final class Keys {
        private static final List<JWK> all = new CopyOnWriteArrayList<>();
        private static volatile String newest;

        static {
            try {
                for (JWSAlgorithm rsa : List.of(JWSAlgorithm.RS256, JWSAlgorithm.PS256)) {
                    all.add(new RSAKeyGenerator(2048).algorithm(rsa).keyUse(KeyUse.SIGNATURE).keyID(rsa.getName()).generate());
                }
                rotate();
            } catch (JOSEException e) {
                throw new IllegalStateException(e);
            }
        }

        static String id(String algorithm) {
            return algorithm.equals("ES256") ? newest : algorithm;
        }

        static void rotate() throws JOSEException {
            String next = UUID.randomUUID().toString();
            all.add(new ECKeyGenerator(Curve.P_256).algorithm(JWSAlgorithm.ES256).keyUse(KeyUse.SIGNATURE).keyID(next).generate());
            newest = next;
        }
    }

    @Bean
    JWKSource<SecurityContext> keys() {
        return (JWKSelector selector, SecurityContext context) -> selector.select(new JWKSet(new ArrayList<>(Keys.all)));
    }

    /** A cheap one, for secrets that are random. */
    @Bean
    PasswordEncoder encoder() {
        return new BCryptPasswordEncoder(4);
    }

    @Bean
    RegisteredClientRepository registrations(PasswordEncoder encoder) {
        List<RegisteredClient> all = new ArrayList<>();
        for (Client client : clients.values()) {
            ClientSettings.Builder settings = ClientSettings.builder().requireAuthorizationConsent(false);
            if (client.subject() != null) {
                settings.x509CertificateSubjectDN(client.subject());
            }
            if (client.keys() != null) {
                settings.jwkSetUrl(client.keys()).tokenEndpointAuthenticationSigningAlgorithm(SignatureAlgorithm.ES256);
            }
            RegisteredClient.Builder registered = RegisteredClient.withId(UUID.randomUUID().toString())
                    .clientId(client.id())
                    .clientAuthenticationMethod(new ClientAuthenticationMethod(client.method()))
                    .authorizationGrantType(AuthorizationGrantType.CLIENT_CREDENTIALS)
                    .scopes(scopes -> scopes.addAll(client.scopes()))
                    .tokenSettings(TokenSettings.builder()
                            .accessTokenFormat(client.format().equals("opaque") ? OAuth2TokenFormat.REFERENCE : OAuth2TokenFormat.SELF_CONTAINED)
                            .x509CertificateBoundAccessTokens(client.bound())
                            .build());
            if (client.secret() != null) {
                registered.clientSecret(encoder.encode(client.secret()));
            }
            if (client.redirect() != null) {
                settings.requireProofKey(true);
                registered.redirectUri(client.redirect())
                        .authorizationGrantType(AuthorizationGrantType.AUTHORIZATION_CODE)
                        .authorizationGrantType(AuthorizationGrantType.REFRESH_TOKEN);
            }
            all.add(registered.clientSettings(settings.build()).build());
        }
        return new InMemoryRegisteredClientRepository(all);
    }

    @Bean
    UserDetailsService users(@Value("${user}") String name, @Value("${password}") String password, PasswordEncoder encoder) {
        return new InMemoryUserDetailsManager(User.withUsername(name).password(encoder.encode(password)).roles("USER").build());
    }

    @Bean
    AuthorizationServerSettings settings(@Value("${issuer}") String issuer) {
        return AuthorizationServerSettings.builder().issuer(issuer).build();
    }

    @Bean
    @Order(1)
    SecurityFilterChain endpoints(HttpSecurity http) throws Exception {
        http.oauth2AuthorizationServer(server -> {
            http.securityMatcher(server.getEndpointsMatcher());
            server.oidc(withDefaults());
            // It takes every request that has no secret.
            server.clientAuthentication(authentication -> authentication.authenticationConverters(converters ->
                    converters.sort((a, b) -> Boolean.compare(a instanceof PublicClientAuthenticationConverter,
                            b instanceof PublicClientAuthenticationConverter))));
        });
        http.authorizeHttpRequests(requests -> requests.anyRequest().authenticated());
        http.exceptionHandling(exceptions -> exceptions.defaultAuthenticationEntryPointFor(
                new LoginUrlAuthenticationEntryPoint("/login"), new MediaTypeRequestMatcher(MediaType.TEXT_HTML)));
        return http.build();
    }

    @Bean
    @Order(2)
    SecurityFilterChain others(HttpSecurity http) throws Exception {
        http.authorizeHttpRequests(requests -> requests.anyRequest().authenticated()).formLogin(withDefaults());
        return http.build();
    }

    @Bean
    OAuth2TokenCustomizer<JwtEncodingContext> accessTokens() {
        return context -> {
            context.getJwsHeader().keyId(Keys.id("RS256"));
            if (!OAuth2TokenType.ACCESS_TOKEN.equals(context.getTokenType())) {
                return;
            }
            context.getJwsHeader().type("at+jwt");
            context.getClaims()
                    .audience(List.of(audience(context)))
                    .claim("client_id", context.getRegisteredClient().getClientId());
            forTheTests(context);
        };
    }

    private void forTheTests(JwtEncodingContext context) {
        Client client = client(context);
        context.getJwsHeader().algorithm(SignatureAlgorithm.from(client.format())).keyId(Keys.id(client.format()));
        context.getClaims().claims(claims -> bind(client, claims));
    }

    @Bean
    OAuth2TokenCustomizer<OAuth2TokenClaimsContext> opaqueTokens() {
        return context -> {
            if (OAuth2TokenType.ACCESS_TOKEN.equals(context.getTokenType())) {
                context.getClaims().audience(List.of(audience(context)));
                context.getClaims().claims(claims -> bind(client(context), claims));
            }
        };
    }

    private Client client(OAuth2TokenContext context) {
        return clients.get(context.getRegisteredClient().getClientId());
    }

    private String audience(OAuth2TokenContext context) {
        return context.getAuthorizedScopes().contains("other") ? another : audience;
    }

    /** Binds a token to the certificate of the request, for clients that authenticate in another way. */
    private static void bind(Client client, Map<String, Object> claims) {
        if (!client.binds()) {
            return;
        }
        HttpServletRequest request = ((ServletRequestAttributes) RequestContextHolder.currentRequestAttributes()).getRequest();
        X509Certificate[] chain = (X509Certificate[]) request.getAttribute("jakarta.servlet.request.X509Certificate");
        if (chain == null) {
            return;
        }
        try {
            byte[] digest = MessageDigest.getInstance("SHA-256").digest(chain[0].getEncoded());
            claims.put("cnf", Map.of("x5t#S256", Base64.getUrlEncoder().withoutPadding().encodeToString(digest)));
        } catch (GeneralSecurityException e) {
            throw new IllegalStateException(e);
        }
    }
}
