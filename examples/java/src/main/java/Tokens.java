import com.nimbusds.jose.JOSEException;
import com.nimbusds.jose.JOSEObjectType;
import com.nimbusds.jose.JWSAlgorithm;
import com.nimbusds.jose.jwk.source.JWKSourceBuilder;
import com.nimbusds.jose.jwk.source.RateLimitReachedException;
import com.nimbusds.jose.proc.BadJOSEException;
import com.nimbusds.jose.proc.DefaultJOSEObjectTypeVerifier;
import com.nimbusds.jose.proc.JWSVerificationKeySelector;
import com.nimbusds.jose.proc.SecurityContext;
import com.nimbusds.jose.util.DefaultResourceRetriever;
import com.nimbusds.jose.util.JSONObjectUtils;
import com.nimbusds.jwt.JWTClaimsSet;
import com.nimbusds.jwt.proc.DefaultJWTClaimsVerifier;
import com.nimbusds.jwt.proc.DefaultJWTProcessor;
import com.nimbusds.jwt.proc.ExpiredJWTException;
import java.io.IOException;
import java.net.URI;
import java.net.URLEncoder;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.charset.StandardCharsets;
import java.text.ParseException;
import java.time.Duration;
import java.util.Base64;
import java.util.Map;
import java.util.Set;

/** Verifies tokens with nimbus-jose-jwt, then asks authd whether they were revoked (RFC 7662). */
final class Tokens {
    private static final int TIMEOUT = 3000; // milliseconds

    private final HttpClient http = HttpClient.newBuilder().connectTimeout(Duration.ofMillis(TIMEOUT)).build();
    private final DefaultJWTProcessor<SecurityContext> processor = new DefaultJWTProcessor<>();
    private final URI introspection;
    private final String basic;

    Tokens(String issuer, String audience, String id, String secret) throws Exception {
        var found = send(HttpRequest.newBuilder(URI.create(issuer + "/.well-known/oauth-authorization-server")));
        introspection = URI.create(JSONObjectUtils.getString(found, "introspection_endpoint"));
        var jwks = URI.create(JSONObjectUtils.getString(found, "jwks_uri"));
        basic = "Basic " + Base64.getEncoder().encodeToString((form(id) + ":" + form(secret)).getBytes(StandardCharsets.UTF_8));

        var keys = JWKSourceBuilder.<SecurityContext>create(jwks.toURL(), new DefaultResourceRetriever(TIMEOUT, TIMEOUT, 1 << 20))
                .cache(300_000, 2 * TIMEOUT)
                .rateLimited(5_000) // between fetches for keys that it does not know
                .outageTolerant(86_400_000L)
                .build();
        processor.setJWSTypeVerifier(new DefaultJOSEObjectTypeVerifier<>(new JOSEObjectType("at+jwt"))); // no ID token, no refresh token
        processor.setJWSKeySelector(new JWSVerificationKeySelector<>(JWSAlgorithm.RS256, keys)); // never what the token itself says
        var claims = new DefaultJWTClaimsVerifier<SecurityContext>(audience,
                new JWTClaimsSet.Builder().issuer(issuer).build(), Set.of("sub", "jti", "iat", "exp"));
        claims.setMaxClockSkew(5); // seconds
        processor.setJWTClaimsSetVerifier(claims);
    }

    JWTClaimsSet verify(String token) throws Refusal {
        JWTClaimsSet claims;
        try {
            claims = processor.process(token, null);
        } catch (ExpiredJWTException e) {
            throw Refusal.invalid("expired");
        } catch (BadJOSEException | ParseException | IllegalArgumentException | RateLimitReachedException e) {
            throw Refusal.invalid("invalid"); // an unknown kid, too, and one that was fetched for a moment ago
        } catch (JOSEException e) {
            throw Refusal.unavailable(); // no keys
        }
        if (isRevoked(token, claims)) throw Refusal.invalid("revoked");
        return claims;
    }

    private boolean isRevoked(String token, JWTClaimsSet claims) throws Refusal {
        try {
            var answer = send(HttpRequest.newBuilder(introspection)
                    .header("Authorization", basic)
                    .header("Content-Type", "application/x-www-form-urlencoded")
                    .POST(HttpRequest.BodyPublishers.ofString("token_type_hint=access_token&token=" + form(token))));
            var same = claims.getJWTID().equals(answer.get("jti")) && claims.getSubject().equals(answer.get("sub"));
            return !(Boolean.TRUE.equals(answer.get("active")) && same); // the answer is about this token
        } catch (IOException | ParseException e) {
            throw Refusal.unavailable(); // it may well be good, and may have been revoked
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw Refusal.unavailable();
        }
    }

    private Map<String, Object> send(HttpRequest.Builder request) throws IOException, InterruptedException, ParseException {
        var answer = http.send(request.timeout(Duration.ofMillis(TIMEOUT)).build(), BodyHandlers.ofString());
        if (answer.statusCode() != 200) throw new IOException("status " + answer.statusCode() + " of " + answer.uri());
        return JSONObjectUtils.parse(answer.body());
    }

    private static String form(String text) {
        return URLEncoder.encode(text, StandardCharsets.UTF_8);
    }
}
