//! Where traces go, and what is sent along.

use std::fmt;

use http::{HeaderName, HeaderValue, Uri};

/// What is added to the address of a collector.
const PATH: &str = "/v1/traces";

/// Address of a collector: OTLP over HTTP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// Name or address; of IPv6 without its brackets.
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) path: String,
    /// `host:port` as it was written.
    pub(super) authority: String,
    /// With TLS: https.
    pub(super) tls: bool,
}

impl Endpoint {
    /// From the address of a collector, `http://127.0.0.1:4318`, for all that it takes.
    ///
    /// # Errors
    /// What is wrong with it, and what to do.
    pub fn of_collector(text: &str) -> Result<Self, String> {
        let mut endpoint = Self::of_traces(text)?;
        let base = endpoint.path.trim_end_matches('/');
        // who has given the whole address meant it
        endpoint.path = if base.ends_with(PATH) { base.to_owned() } else { format!("{base}{PATH}") };
        Ok(endpoint)
    }

    /// From the whole address, `http://127.0.0.1:4318/v1/traces`.
    ///
    /// # Errors
    /// What is wrong with it, and what to do.
    pub fn of_traces(text: &str) -> Result<Self, String> {
        let wanted = "a URL such as http://127.0.0.1:4318 is wanted";
        // such a text may hold a secret, and is not repeated, whatever else is wrong with it
        if text.contains('@') {
            return Err("a password does not belong in the URL: set otlp-headers".to_owned());
        }
        if text.contains(['?', '#']) {
            return Err(format!("a query or a fragment in the URL is not sent; {wanted}"));
        }
        let uri: Uri = text.parse().map_err(|error| format!("{text}: {error}; {wanted}"))?;
        let tls = match uri.scheme_str() {
            Some("http") => false,
            Some("https") => true,
            _ => return Err(format!("{text}: {wanted}")),
        };
        let authority = uri.authority().ok_or_else(|| format!("{text}: {wanted}"))?;
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        if host.is_empty() {
            return Err(format!("{text}: {wanted}"));
        }
        let port = authority.port_u16().unwrap_or(if tls { 443 } else { 80 });
        Ok(Self { host, port, path: uri.path().to_owned(), authority: authority.as_str().to_owned(), tls })
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}{}", if self.tls { "https" } else { "http" }, self.authority, self.path)
    }
}

/// `key=value`, the value with `%2C` for a comma and the like, as in `OTEL_EXPORTER_OTLP_HEADERS` and
/// `OTEL_RESOURCE_ATTRIBUTES`. The value may be secret, and is not in the error.
///
/// # Errors
/// What is wrong with it.
pub fn pair(text: &str) -> Result<(String, String), String> {
    let Some((key, value)) = text.split_once('=').filter(|(key, _)| !key.trim().is_empty()) else {
        return Err("KEY=VALUE is wanted".to_owned());
    };
    let key = key.trim();
    let value = decoded(value.trim()).ok_or_else(|| format!("the value of {key} is not percent-encoded UTF-8"))?;
    Ok((key.to_owned(), value))
}

/// The same for a header.
///
/// # Errors
/// What is wrong with it.
pub fn header(text: &str) -> Result<(HeaderName, HeaderValue), String> {
    let (name, value) = pair(text)?;
    let mut value = HeaderValue::from_str(&value).map_err(|error| format!("the value of {name}: {error}"))?;
    value.set_sensitive(true);
    let name = name.parse().map_err(|error| format!("{name}: {error}"))?;
    Ok((name, value))
}

fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, more)) = rest.split_first() {
        rest = more;
        if first == b'%' {
            let (digits, more) = rest.split_at_checked(2)?;
            if !digits.iter().all(u8::is_ascii_hexdigit) {
                return None;
            }
            bytes.push(u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?);
            rest = more;
        } else {
            bytes.push(first);
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_of_a_collector_and_one_of_traces() {
        let collector = |text: &str| Endpoint::of_collector(text).expect(text).to_string();
        assert_eq!(collector("http://127.0.0.1:4318"), "http://127.0.0.1:4318/v1/traces");
        assert_eq!(collector("http://tempo.obs:4318/"), "http://tempo.obs:4318/v1/traces");
        assert_eq!(collector("http://gateway/otlp"), "http://gateway/otlp/v1/traces");
        assert_eq!(collector("http://c:4318/v1/traces"), "http://c:4318/v1/traces");
        let traces = Endpoint::of_traces("http://[fd00::1]:9/here").expect("good");
        assert_eq!((traces.host.as_str(), traces.port, traces.path.as_str()), ("fd00::1", 9, "/here"));
        assert_eq!(collector("https://[fd00::1]/otlp"), "https://[fd00::1]/otlp/v1/traces");
        let of = |text: &str| Endpoint::of_traces(text).map(|endpoint| (endpoint.tls, endpoint.port));
        assert_eq!(of("http://c"), Ok((false, 80)));
        assert_eq!(of("https://c"), Ok((true, 443)));
        assert_eq!(of("HTTPS://c:4318"), Ok((true, 4318)));
    }

    #[test]
    fn what_is_no_address_is_told() {
        let told = |text: &str| Endpoint::of_collector(text).expect_err(text);
        for text in ["127.0.0.1:4318", "collector", "grpc://c:4317", "/run/otel.sock", "http://", ""] {
            assert!(told(text).contains("a URL such as http://127.0.0.1:4318 is wanted"), "{}", told(text));
        }
    }

    #[test]
    fn what_may_be_secret_is_not_repeated() {
        let told = |text: &str| {
            let error = Endpoint::of_collector(text).expect_err(text);
            assert!(!error.contains("s3cret") && !error.contains("user"), "{text}: {error}");
            error
        };
        for scheme in ["http://", "https://", "grpc://", "unix:", "http:/", "://", "//", ""] {
            for place in ["user:s3cret@c:4318", "s3cret@c", "user:s3cret@", "c:4318/@s3cret", "user:s3cret @c"] {
                let error = told(&format!("{scheme}{place}"));
                assert!(error.contains("set otlp-headers"), "{scheme}{place}: {error}");
            }
            for place in ["c:4318/?token=s3cret", "c:4318?token=s3cret", "c?s3cret", "?s3cret", "c:4318/#s3cret"] {
                let error = told(&format!("{scheme}{place}"));
                assert!(error.contains("is not sent"), "{scheme}{place}: {error}");
            }
        }
    }

    #[test]
    fn pairs_as_opentelemetry_writes_them() {
        let good = |key: &str, value: &str| Ok((key.to_owned(), value.to_owned()));
        assert_eq!(pair("authorization=Basic%20YWJj=="), good("authorization", "Basic YWJj=="));
        assert_eq!(pair(" k8s.cluster.name = east%2Cwest "), good("k8s.cluster.name", "east,west"));
        assert_eq!(pair("empty="), good("empty", ""));
        assert_eq!(pair("=x").expect_err("no key"), "KEY=VALUE is wanted");
        for broken in ["secret%4", "secret%zz", "secret%+1", "secret%ff"] {
            let told = pair(&format!("token={broken}")).expect_err(broken);
            assert_eq!(told, "the value of token is not percent-encoded UTF-8");
        }
    }
}
