import java.util.Map;

/** Why a request is refused, and the challenge that says so (RFC 6750 §3). */
final class Refusal extends Exception {
    final int status;
    private final String challenge;

    private Refusal(int status, String error, String challenge) {
        super(error, null, false, false);
        this.status = status;
        this.challenge = challenge;
    }

    static Refusal missing() {
        return new Refusal(401, "missing_token", "Bearer");
    }

    static Refusal invalid(String why) {
        return new Refusal(401, "invalid_token", "Bearer error=\"invalid_token\", error_description=\"token " + why + "\"");
    }

    static Refusal scope(String scope) {
        return new Refusal(403, "insufficient_scope", "Bearer error=\"insufficient_scope\", scope=\"" + scope + "\"");
    }

    static Refusal notFresh() {
        var error = "insufficient_user_authentication"; // RFC 9470
        return new Refusal(401, error, "Bearer error=\"" + error + "\", max_age=\"0\"");
    }

    static Refusal unavailable() {
        return new Refusal(503, "temporarily_unavailable", null);
    }

    Map<String, String> headers() {
        return challenge == null ? Map.of("Retry-After", "5") : Map.of("WWW-Authenticate", challenge);
    }
}
