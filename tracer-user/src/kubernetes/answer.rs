//! What an answer of the API means. Pure.

use std::time::Duration;

use hyper::StatusCode;
use serde::Deserialize;

use crate::printable;

use super::http::Answer;

/// What follows from an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It is done.
    Done,
    /// Not now; later, after so long if that was said.
    Later(Option<Duration>, String),
    /// There is such an object already.
    Taken,
    /// There is no such object, or no place for one: its namespace is being deleted.
    Gone,
    /// What was known is too old: begin again.
    TooOld,
    /// We may not, with what the API says.
    Forbidden(String),
    /// It does not know who we are.
    Stranger(String),
    /// It makes nothing of it, with what the API says.
    Wrong(String),
}

/// As much of the API's `Status` as is of use.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Status {
    pub(super) message: String,
    pub(super) reason: String,
    pub(super) code: u16,
    details: Details,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Details {
    causes: Vec<Cause>,
    retry_after_seconds: u64,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Cause {
    reason: String,
}

/// What is repeated of what the API says, characters.
const SAID: usize = 400;

impl Fate {
    /// Of a whole answer.
    pub(super) fn of(answer: &Answer) -> Self {
        if answer.status.is_success() {
            return Self::Done;
        }
        let status: Status = serde_json::from_slice(&answer.body).unwrap_or_else(|_no_status| Status {
            message: String::from_utf8_lossy(&answer.body).trim().to_owned(),
            ..Status::default()
        });
        Self::of_status(answer.status, &status, answer.retry_after)
    }

    /// Of what a `Status` says, by itself or in a watch.
    pub(super) fn of_status(code: StatusCode, status: &Status, retry_after: Option<Duration>) -> Self {
        let said: String = printable::text(&status.message).chars().take(SAID).collect();
        let said = if said.is_empty() { code.to_string() } else { format!("{}: {said}", code.as_u16()) };
        let is_ending = || status.details.causes.iter().any(|cause| cause.reason == "NamespaceTerminating");
        match code {
            StatusCode::UNAUTHORIZED => Self::Stranger(said),
            StatusCode::FORBIDDEN if is_ending() => Self::Gone,
            StatusCode::FORBIDDEN => Self::Forbidden(said),
            StatusCode::NOT_FOUND => Self::Gone,
            StatusCode::CONFLICT if status.reason == "AlreadyExists" => Self::Taken,
            StatusCode::GONE => Self::TooOld,
            StatusCode::CONFLICT | StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT => {
                Self::Later(after(status, retry_after), said)
            }
            code if code.is_server_error() => Self::Later(after(status, retry_after), said),
            _ => Self::Wrong(said),
        }
    }
}

fn after(status: &Status, header: Option<Duration>) -> Option<Duration> {
    let body = Some(status.details.retry_after_seconds).filter(|seconds| *seconds > 0);
    header.or_else(|| body.map(Duration::from_secs))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fate(code: u16, body: &str) -> Fate {
        let status = StatusCode::from_u16(code).expect("a code");
        Fate::of(&Answer { status, retry_after: None, body: body.as_bytes().to_vec() })
    }

    // as kube-apiserver answers
    const FORBIDDEN: &str = r#"{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"events.events.k8s.io is forbidden: User \"system:serviceaccount:tracer:tracer\" cannot create resource \"events\" in API group \"events.k8s.io\" in the namespace \"shop\"","reason":"Forbidden","details":{"group":"events.k8s.io","kind":"events"},"code":403}"#;
    const TERMINATING: &str = r#"{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"events.events.k8s.io \"web.1\" is forbidden: unable to create new content in namespace shop because it is being terminated","reason":"Forbidden","details":{"name":"web.1","group":"events.k8s.io","kind":"events","causes":[{"reason":"NamespaceTerminating","message":"namespace shop is being terminated","field":"metadata.namespace"}]},"code":403}"#;
    const EXISTS: &str = r#"{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"events.events.k8s.io \"web.1\" already exists","reason":"AlreadyExists","details":{"name":"web.1","group":"events.k8s.io","kind":"events"},"code":409}"#;
    const TOO_MANY: &str = r#"{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"limit reached on type Namespace for key map[namespace:shop]","reason":"TooManyRequests","details":{"retryAfterSeconds":1},"code":429}"#;

    #[test]
    fn each_answer_means_one_thing() {
        assert_eq!(fate(201, "{}"), Fate::Done);
        let Fate::Forbidden(said) = fate(403, FORBIDDEN) else { panic!("it is forbidden") };
        assert!(said.starts_with("403: events.events.k8s.io is forbidden: User \"system:serviceaccount:"), "{said}");
        assert_eq!(fate(403, TERMINATING), Fate::Gone);
        assert_eq!(fate(404, "{}"), Fate::Gone);
        assert_eq!(fate(409, EXISTS), Fate::Taken);
        assert_eq!(fate(410, ""), Fate::TooOld);
        assert!(matches!(fate(409, r#"{"reason":"Conflict"}"#), Fate::Later(None, _)));
        assert!(matches!(fate(429, TOO_MANY), Fate::Later(Some(after), _) if after.as_secs() == 1));
        assert_eq!(fate(401, ""), Fate::Stranger("401 Unauthorized".to_owned()));
        assert!(matches!(fate(503, "upstream\u{1b}[2J"), Fate::Later(None, said) if said == "503: upstream\\x1b[2J"));
        assert!(matches!(fate(422, "{\"message\":\"no\"}"), Fate::Wrong(said) if said == "422: no"));
    }

    #[test]
    fn a_header_counts_more_than_a_body_and_no_answer_is_repeated_at_length() {
        let status: Status = serde_json::from_str(TOO_MANY).expect("a status");
        let fate = Fate::of_status(StatusCode::TOO_MANY_REQUESTS, &status, Some(Duration::from_secs(7)));
        assert!(matches!(fate, Fate::Later(Some(after), _) if after.as_secs() == 7));
        let Fate::Wrong(said) = self::fate(400, &"x".repeat(10_000)) else { panic!("it is wrong") };
        assert!(said.len() < 500);
    }
}
