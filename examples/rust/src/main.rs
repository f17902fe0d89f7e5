//! An API behind tokens of authd.

mod keys;
mod refusal;
mod tokens;

use std::{env, io::Cursor, sync::Arc, thread};

use refusal::Refusal;
use tiny_http::{Header, Request, Response, Server};
use tokens::{Claims, Tokens};

/// What a route asks of a token.
enum Need {
    Nothing,
    Token,
    Scope(&'static str),
    Fresh,
}

fn main() {
    let var = |name| env::var(name).unwrap_or_else(|_| panic!("{name} is not set"));
    let tokens = Tokens::new(&var("ISSUER"), "https://api.example.com", &var("CLIENT_ID"), &var("CLIENT_SECRET"));
    let tokens = Arc::new(tokens.expect("the issuer answers"));
    let server = Arc::new(Server::http(var("LISTEN")).expect("the address is free"));
    println!("listening on {}", server.server_addr());
    let threads: Vec<_> = (0..16).map(|_| (server.clone(), tokens.clone())).map(|(s, t)| thread::spawn(move || serve(&s, &t))).collect();
    threads.into_iter().for_each(|t| t.join().unwrap());
}

fn serve(server: &Server, tokens: &Tokens) {
    for request in server.incoming_requests() {
        let response = handle(&request, tokens).unwrap_or_else(|refusal| {
            let (name, value) = refusal.header();
            text(format!("{}\n", refusal.error())).with_status_code(refusal.status()).with_header(header(name, &value))
        });
        let _ = request.respond(response); // who asked may have gone
    }
}

fn handle(request: &Request, tokens: &Tokens) -> Result<Response<Cursor<Vec<u8>>>, Refusal> {
    let (need, greeting) = match (request.method().as_str(), request.url()) {
        ("GET", "/hello") => (Need::Nothing, "hello,"),
        ("GET", "/me") => (Need::Token, "you are"),
        ("GET", "/orders") => (Need::Scope("orders:read"), "orders of"),
        ("POST", "/orders") => (Need::Scope("orders:write"), "an order of"),
        ("DELETE", "/me") => (Need::Fresh, "goodbye,"),
        _ => return Ok(text("not found\n".into()).with_status_code(404)),
    };
    let claims = admit(request, tokens, need)?;
    Ok(text(format!("{greeting} {}\n", claims.map_or("nobody".into(), |c| c.sub))))
}

fn admit(request: &Request, tokens: &Tokens, need: Need) -> Result<Option<Claims>, Refusal> {
    let Some(token) = bearer(request) else {
        return if matches!(need, Need::Nothing) { Ok(None) } else { Err(Refusal::Missing) };
    };
    let claims = tokens.verify(token)?;
    match need {
        Need::Scope(scope) if !claims.scope.split(' ').any(|s| s == scope) => Err(Refusal::Scope(scope)),
        Need::Fresh if !claims.fresh => Err(Refusal::NotFresh),
        _ => Ok(Some(claims)),
    }
}

fn bearer(request: &Request) -> Option<&str> {
    let credential = request.headers().iter().find(|h| h.field.equiv("Authorization"))?;
    let (scheme, token) = credential.value.as_str().split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
}

fn text(body: String) -> Response<Cursor<Vec<u8>>> {
    Response::from_string(body)
}

fn header(name: &str, value: &str) -> Header {
    Header::from_bytes(name, value).expect("headers of ours are ASCII")
}
