import com.nimbusds.jwt.JWTClaimsSet;
import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Map;
import java.util.concurrent.Executors;
import java.util.function.Function;

/** An API behind tokens of authd. */
public final class Api {
    private record Route(boolean optional, String scope, boolean fresh, Function<JWTClaimsSet, String> answer) {}

    private static final Map<String, Route> ROUTES = Map.of(
            "GET /hello", new Route(true, null, false, t -> "hello, " + (t == null ? "nobody" : t.getSubject())),
            "GET /me", new Route(false, null, false, t -> t.getSubject() + " may " + t.getClaim("scope")),
            "GET /orders", new Route(false, "orders:read", false, t -> "orders of " + t.getSubject()),
            "POST /orders", new Route(false, "orders:write", false, t -> "an order of " + t.getSubject()),
            "DELETE /me", new Route(false, null, true, t -> "goodbye, " + t.getSubject()));

    private final Tokens tokens;

    private Api(Tokens tokens) {
        this.tokens = tokens;
    }

    public static void main(String[] args) throws Exception {
        var api = new Api(new Tokens(System.getenv("ISSUER"), "https://api.example.com",
                System.getenv("CLIENT_ID"), System.getenv("CLIENT_SECRET")));
        var listen = System.getenv("LISTEN").split(":");
        var server = HttpServer.create(new InetSocketAddress(listen[0], Integer.parseInt(listen[1])), 0);
        server.createContext("/", api::handle);
        server.setExecutor(Executors.newFixedThreadPool(16));
        server.start();
        System.out.println("listening on " + server.getAddress());
    }

    private void handle(HttpExchange http) throws IOException {
        try (http) {
            var route = ROUTES.get(http.getRequestMethod() + " " + http.getRequestURI().getPath());
            if (route == null) {
                answer(http, 404, "not found");
            } else {
                serve(http, route);
            }
        }
    }

    private void serve(HttpExchange http, Route route) throws IOException {
        JWTClaimsSet claims;
        try {
            claims = admit(http, route);
        } catch (Refusal refusal) {
            refusal.headers().forEach(http.getResponseHeaders()::set);
            answer(http, refusal.status, refusal.getMessage());
            return;
        }
        answer(http, 200, route.answer.apply(claims));
    }

    /** Returns the claims, or null where nobody has to be known. */
    private JWTClaimsSet admit(HttpExchange http, Route route) throws Refusal {
        var credential = http.getRequestHeaders().getFirst("Authorization");
        if (credential == null || !credential.toLowerCase().startsWith("bearer ")) {
            if (route.optional) return null;
            throw Refusal.missing();
        }
        var claims = tokens.verify(credential.substring("bearer ".length()).strip());
        if (route.scope != null) {
            var scopes = claims.getClaim("scope") instanceof String s ? s.split(" ") : new String[0];
            if (!Arrays.asList(scopes).contains(route.scope)) throw Refusal.scope(route.scope);
        }
        if (route.fresh && !Boolean.TRUE.equals(claims.getClaim("fresh"))) throw Refusal.notFresh();
        return claims;
    }

    private static void answer(HttpExchange http, int status, String text) throws IOException {
        var body = (text + "\n").getBytes(StandardCharsets.UTF_8);
        http.sendResponseHeaders(status, body.length);
        http.getResponseBody().write(body);
    }
}
