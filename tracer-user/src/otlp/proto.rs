//! The part of OTLP that is sent, by hand: the field numbers of `opentelemetry/proto/{collector/trace,trace,resource,common}/v1`
//! as of version 1.7 of opentelemetry-proto. The crate of that name brings an SDK along; it reads what is written here in
//! the tests.

use prost::{Message, Oneof};

/// `ExportTraceServiceRequest`.
#[derive(Clone, PartialEq, Message)]
pub struct ExportTraceServiceRequest {
    /// One for each termination.
    #[prost(message, repeated, tag = "1")]
    pub resource_spans: Vec<ResourceSpans>,
}

/// `ExportTraceServiceResponse`.
#[derive(Clone, PartialEq, Message)]
pub struct ExportTraceServiceResponse {
    /// There only if not all was taken, or if there is something to say.
    #[prost(message, optional, tag = "1")]
    pub partial_success: Option<ExportTracePartialSuccess>,
}

/// `ExportTracePartialSuccess`.
#[derive(Clone, PartialEq, Message)]
pub struct ExportTracePartialSuccess {
    /// How many spans were not taken.
    #[prost(int64, tag = "1")]
    pub rejected_spans: i64,
    /// Why, or a warning if that is none. From a stranger.
    #[prost(bytes = "vec", tag = "2")]
    pub error_message: Vec<u8>,
}

/// `google.rpc.Status`: the body of an answer that something went wrong.
#[derive(Clone, PartialEq, Message)]
pub struct RpcStatus {
    /// What went wrong. From a stranger.
    #[prost(bytes = "vec", tag = "2")]
    pub message: Vec<u8>,
}

/// `ResourceSpans`: what happened to one thing.
#[derive(Clone, PartialEq, Message)]
pub struct ResourceSpans {
    /// The thing.
    #[prost(message, optional, tag = "1")]
    pub resource: Option<Resource>,
    /// By who told it.
    #[prost(message, repeated, tag = "2")]
    pub scope_spans: Vec<ScopeSpans>,
    /// Which version of the semantic conventions the resource's attributes follow.
    #[prost(string, tag = "3")]
    pub schema_url: String,
}

/// `Resource`.
#[derive(Clone, PartialEq, Message)]
pub struct Resource {
    /// What it is.
    #[prost(message, repeated, tag = "1")]
    pub attributes: Vec<KeyValue>,
}

/// `ScopeSpans`.
#[derive(Clone, PartialEq, Message)]
pub struct ScopeSpans {
    /// Who tells it.
    #[prost(message, optional, tag = "1")]
    pub scope: Option<InstrumentationScope>,
    /// The root first.
    #[prost(message, repeated, tag = "2")]
    pub spans: Vec<Span>,
}

/// `InstrumentationScope`.
#[derive(Clone, PartialEq, Message)]
pub struct InstrumentationScope {
    /// Name.
    #[prost(string, tag = "1")]
    pub name: String,
    /// Version.
    #[prost(string, tag = "2")]
    pub version: String,
}

/// `Span`.
#[derive(Clone, PartialEq, Message)]
pub struct Span {
    /// 16 bytes.
    #[prost(bytes = "vec", tag = "1")]
    pub trace_id: Vec<u8>,
    /// 8 bytes.
    #[prost(bytes = "vec", tag = "2")]
    pub span_id: Vec<u8>,
    /// 8 bytes; none for the root.
    #[prost(bytes = "vec", tag = "4")]
    pub parent_span_id: Vec<u8>,
    /// Name.
    #[prost(string, tag = "5")]
    pub name: String,
    /// [`KIND_INTERNAL`].
    #[prost(int32, tag = "6")]
    pub kind: i32,
    /// ns since 1970-01-01 UTC.
    #[prost(fixed64, tag = "7")]
    pub start_time_unix_nano: u64,
    /// ns since 1970-01-01 UTC.
    #[prost(fixed64, tag = "8")]
    pub end_time_unix_nano: u64,
    /// Attributes.
    #[prost(message, repeated, tag = "9")]
    pub attributes: Vec<KeyValue>,
    /// In order of time.
    #[prost(message, repeated, tag = "11")]
    pub events: Vec<Event>,
    /// Whether it went well.
    #[prost(message, optional, tag = "15")]
    pub status: Option<Status>,
    /// [`FLAG_SAMPLED`].
    #[prost(fixed32, tag = "16")]
    pub flags: u32,
}

/// `SPAN_KIND_INTERNAL`.
pub const KIND_INTERNAL: i32 = 1;
/// The trace is kept.
pub const FLAG_SAMPLED: u32 = 1;
/// `STATUS_CODE_OK`.
pub const STATUS_OK: i32 = 1;
/// `STATUS_CODE_ERROR`.
pub const STATUS_ERROR: i32 = 2;

/// `Span.Event`.
#[derive(Clone, PartialEq, Message)]
pub struct Event {
    /// ns since 1970-01-01 UTC.
    #[prost(fixed64, tag = "1")]
    pub time_unix_nano: u64,
    /// Name.
    #[prost(string, tag = "2")]
    pub name: String,
    /// Attributes.
    #[prost(message, repeated, tag = "3")]
    pub attributes: Vec<KeyValue>,
}

/// `Status`.
#[derive(Clone, PartialEq, Message)]
pub struct Status {
    /// Only with an error.
    #[prost(string, tag = "2")]
    pub message: String,
    /// [`STATUS_OK`] or [`STATUS_ERROR`].
    #[prost(int32, tag = "3")]
    pub code: i32,
}

/// `KeyValue`.
#[derive(Clone, PartialEq, Message)]
pub struct KeyValue {
    /// Key.
    #[prost(string, tag = "1")]
    pub key: String,
    /// Value.
    #[prost(message, optional, tag = "2")]
    pub value: Option<AnyValue>,
}

/// `AnyValue`.
#[derive(Clone, PartialEq, Message)]
pub struct AnyValue {
    /// One of these.
    #[prost(oneof = "Value", tags = "1, 2, 3, 4, 5")]
    pub value: Option<Value>,
}

/// `AnyValue.value`.
#[derive(Clone, PartialEq, Oneof)]
pub enum Value {
    /// Text.
    #[prost(string, tag = "1")]
    Text(String),
    /// Yes or no.
    #[prost(bool, tag = "2")]
    Bool(bool),
    /// A number.
    #[prost(int64, tag = "3")]
    Int(i64),
    /// A number with a fraction.
    #[prost(double, tag = "4")]
    Double(f64),
    /// Several.
    #[prost(message, tag = "5")]
    Array(ArrayValue),
}

/// `ArrayValue`.
#[derive(Clone, PartialEq, Message)]
pub struct ArrayValue {
    /// The values.
    #[prost(message, repeated, tag = "1")]
    pub values: Vec<AnyValue>,
}
