/// Why a request is refused.
#[derive(Debug)]
pub enum Refusal {
    Missing,
    Invalid(&'static str),
    Scope(&'static str),
    NotFresh,
    Unavailable,
}

impl Refusal {
    pub fn status(&self) -> u16 {
        match self {
            Self::Missing | Self::Invalid(_) | Self::NotFresh => 401,
            Self::Scope(_) => 403,
            Self::Unavailable => 503,
        }
    }

    pub fn error(&self) -> &'static str {
        match self {
            Self::Missing => "missing_token",
            Self::Invalid(_) => "invalid_token",
            Self::Scope(_) => "insufficient_scope",
            Self::NotFresh => "insufficient_user_authentication", // RFC 9470
            Self::Unavailable => "temporarily_unavailable",
        }
    }

    /// The challenge of RFC 6750 §3, or when to come back.
    pub fn header(&self) -> (&'static str, String) {
        let parameter = match self {
            Self::Unavailable => return ("Retry-After", "5".into()),
            Self::Missing => return ("WWW-Authenticate", "Bearer".into()),
            Self::Invalid(why) => format!("error_description=\"token {why}\""),
            Self::Scope(scope) => format!("scope=\"{scope}\""),
            Self::NotFresh => "max_age=\"0\"".into(),
        };
        ("WWW-Authenticate", format!("Bearer error=\"{}\", {parameter}", self.error()))
    }
}
