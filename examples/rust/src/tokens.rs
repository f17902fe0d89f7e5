use std::{error::Error, time::Duration};

use base64::{Engine, prelude::BASE64_STANDARD};
use jsonwebtoken::{Algorithm, Validation, decode, decode_header, errors::ErrorKind};
use serde::Deserialize;
use serde_json::Value;
use ureq::Agent;

use crate::{keys::Keys, refusal::Refusal};

#[derive(Deserialize)]
pub struct Claims {
    pub sub: String,
    pub jti: String,
    #[serde(default)]
    pub scope: String,
    #[serde(default)]
    pub fresh: bool,
}

/// Verifies tokens offline, then asks authd whether they were revoked (RFC 7662).
pub struct Tokens {
    agent: Agent,
    keys: Keys,
    validation: Validation,
    introspection: String,
    basic: String,
}

impl Tokens {
    pub fn new(issuer: &str, audience: &str, id: &str, secret: &str) -> Result<Self, Box<dyn Error>> {
        let config = Agent::config_builder().timeout_global(Some(Duration::from_secs(3))).proxy(None);
        let agent: Agent = config.build().into();
        let metadata: Value = agent.get(format!("{issuer}/.well-known/oauth-authorization-server")).call()?.body_mut().read_json()?;
        let found = |name: &str| metadata[name].as_str().map(str::to_owned).ok_or(format!("the metadata has no {name}"));

        let mut validation = Validation::new(Algorithm::RS256); // never what the token itself says
        validation.set_issuer(&[issuer]);
        validation.set_audience(&[audience]);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        validation.validate_nbf = true;
        validation.leeway = 5; // seconds
        Ok(Self {
            keys: Keys::new(agent.clone(), found("jwks_uri")?)?,
            introspection: found("introspection_endpoint")?,
            basic: format!("Basic {}", BASE64_STANDARD.encode(format!("{id}:{secret}"))), // form-encode an id with other than A-Z a-z 0-9 - _
            agent,
            validation,
        })
    }

    pub fn verify(&self, token: &str) -> Result<Claims, Refusal> {
        let invalid = |_| Refusal::Invalid("invalid");
        let header = decode_header(token).map_err(invalid)?;
        if header.typ.as_deref() != Some("at+jwt") {
            return Err(Refusal::Invalid("invalid")); // RFC 9068: no ID token, no refresh token
        }
        let key = header.kid.and_then(|kid| self.keys.get(&kid)).ok_or(Refusal::Invalid("invalid"))?;
        let claims = decode::<Claims>(token, &key, &self.validation).map_err(|error| match error.kind() {
            ErrorKind::ExpiredSignature => Refusal::Invalid("expired"),
            _ => Refusal::Invalid("invalid"),
        })?;
        if self.is_revoked(token, &claims.claims).map_err(|_| Refusal::Unavailable)? {
            return Err(Refusal::Invalid("revoked"));
        }
        Ok(claims.claims)
    }

    fn is_revoked(&self, token: &str, claims: &Claims) -> Result<bool, ureq::Error> {
        let form = [("token", token), ("token_type_hint", "access_token")];
        let request = self.agent.post(&self.introspection).header("Authorization", &self.basic);
        let answer: Value = request.send_form(form)?.body_mut().read_json()?;
        let same = answer["jti"] == *claims.jti && answer["sub"] == *claims.sub; // the answer is about this token
        Ok(!(answer["active"] == true && same))
    }
}
