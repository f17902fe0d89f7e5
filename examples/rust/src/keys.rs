use std::{
    collections::HashMap,
    sync::{Mutex, RwLock},
    time::{Duration, Instant},
};

use jsonwebtoken::{DecodingKey, jwk::JwkSet};
use ureq::Agent;

const COOLDOWN: Duration = Duration::from_secs(5); // between fetches, whoever asks
const LIFETIME: Duration = Duration::from_secs(300);

/// The issuer's public keys by kid. They are fetched when they are old and for a kid that is new, and kept where the
/// fetch fails.
pub struct Keys {
    agent: Agent,
    url: String,
    known: RwLock<HashMap<String, DecodingKey>>,
    fetch: Mutex<(Instant, Instant)>, // the latest try, the latest success
}

impl Keys {
    pub fn new(agent: Agent, url: String) -> Result<Self, ureq::Error> {
        let now = Instant::now();
        let known = RwLock::new(fetch(&agent, &url)?);
        Ok(Self { agent, url, known, fetch: Mutex::new((now, now)) })
    }

    pub fn get(&self, kid: &str) -> Option<DecodingKey> {
        self.refresh(self.look_up(kid).is_none());
        self.look_up(kid)
    }

    fn look_up(&self, kid: &str) -> Option<DecodingKey> {
        self.known.read().unwrap().get(kid).cloned()
    }

    /// Fetches if the keys are old or one is missing. While one caller does, those whose keys are known go on with what
    /// there is.
    fn refresh(&self, missing: bool) {
        let Some(mut times) = (if missing { self.fetch.lock().ok() } else { self.fetch.try_lock().ok() }) else { return };
        let (tried, succeeded) = *times;
        if tried.elapsed() < COOLDOWN || !(missing || succeeded.elapsed() > LIFETIME) {
            return;
        }
        let now = Instant::now();
        times.0 = now;
        match fetch(&self.agent, &self.url) {
            Ok(keys) => {
                *self.known.write().unwrap() = keys;
                times.1 = now;
            }
            Err(error) => eprintln!("no keys from {}: {error}", self.url),
        }
    }
}

fn fetch(agent: &Agent, url: &str) -> Result<HashMap<String, DecodingKey>, ureq::Error> {
    let set: JwkSet = agent.get(url).call()?.body_mut().read_json()?;
    let keys = set.keys.iter().filter_map(|key| Some((key.common.key_id.clone()?, DecodingKey::from_jwk(key).ok()?)));
    Ok(keys.collect())
}
