//! gRPC over a Unix socket. tonic's core does the protocol on a connection of hyper's: its own transport would bring
//! a load balancer, a reconnecting buffer and half of a web framework, for a socket that is asked one thing at a time.

use std::path::Path;
use std::pin::Pin;
use std::task::{Context, Poll};

use http::uri::PathAndQuery;
use hyper::body::Incoming;
use hyper::client::conn::http2::{Builder, SendRequest};
use hyper::{Request, Response, Uri};
use prost::Message;
use tonic::body::Body;
use tonic::client::{Grpc, GrpcService};
use tonic::{Code, Status, Streaming};
use tonic_prost::ProstCodec;

use super::super::state::Failure;
use super::super::transport::{Allowance, Metered, Tasks};
use crate::causes::chain;

/// How much of a message may be under way, bytes.
const WINDOW: u32 = 256 << 10;
/// Frames around a message, headers and settings may weigh this much beside it.
const OVERHEAD: usize = 256 << 10;

/// A connection.
pub(super) struct Connection {
    sender: SendRequest<Body>,
    allowance: Allowance,
}

impl Connection {
    pub(super) async fn open(socket: &Path) -> Result<Self, Failure> {
        let allowance = Allowance::new(OVERHEAD);
        let stream = Metered::connect(socket, &allowance).await?;
        let mut builder = Builder::new(Tasks);
        builder.initial_stream_window_size(WINDOW).initial_connection_window_size(WINDOW);
        let (sender, connection) = builder.handshake(stream).await.map_err(|error| Failure::from(&error))?;
        // It ends by itself, with an error or not, when its requests and their answers are dropped.
        tokio::spawn(async move { connection.await.unwrap_or_default() });
        Ok(Self { sender, allowance })
    }

    /// Asks, for an answer of at most `limit` bytes. `None`: there is no such thing.
    pub(super) async fn ask<Q, A>(&self, method: &'static str, request: Q, limit: usize) -> Result<Option<A>, Failure>
    where
        Q: Message + 'static,
        A: Message + Default + 'static,
    {
        self.allowance.renew(limit + OVERHEAD);
        let codec = ProstCodec::<Q, A>::default();
        match self.grpc(limit).unary(tonic::Request::new(request), PathAndQuery::from_static(method), codec).await {
            Ok(answer) => Ok(Some(answer.into_inner())),
            Err(status) if is_not_found(&status) => Ok(None),
            Err(status) => Err(status.into()),
        }
    }

    /// Asks for a stream of answers, each of at most `limit` bytes. Servers may send nothing at all before the first.
    pub(super) async fn listen<Q, A>(
        self,
        method: &'static str,
        request: Q,
        limit: usize,
    ) -> Result<Answers<A>, Failure>
    where
        Q: Message + 'static,
        A: Message + Default + 'static,
    {
        self.allowance.renew(limit + OVERHEAD);
        let codec = ProstCodec::<Q, A>::default();
        let path = PathAndQuery::from_static(method);
        let stream = self.grpc(limit).server_streaming(tonic::Request::new(request), path, codec).await?.into_inner();
        Ok(Answers { stream, connection: self, limit })
    }

    fn grpc(&self, limit: usize) -> Grpc<Service> {
        let origin = Uri::from_static("http://localhost");
        Grpc::with_origin(Service(self.sender.clone()), origin).max_decoding_message_size(limit)
    }
}

/// A stream of answers.
pub(super) struct Answers<A> {
    stream: Streaming<A>,
    connection: Connection,
    limit: usize,
}

impl<A> Answers<A> {
    /// `None` at the end.
    pub(super) async fn next(&mut self) -> Result<Option<A>, Failure> {
        let answer = self.stream.message().await?;
        self.connection.allowance.renew(self.limit + OVERHEAD);
        Ok(answer)
    }
}

struct Service(SendRequest<Body>);

impl GrpcService<Body> for Service {
    type ResponseBody = Incoming;
    type Error = hyper::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Incoming>, hyper::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        Box::pin(self.0.send_request(request))
    }
}

/// Runtimes should say it by the code. cri-dockerd hands through what Docker said to it.
fn is_not_found(status: &Status) -> bool {
    let said = |what: &str| status.message().to_ascii_lowercase().contains(what);
    match status.code() {
        Code::NotFound => true,
        Code::Unknown => said("no such container") || said("not found"),
        _ => false,
    }
}

impl From<Status> for Failure {
    fn from(status: Status) -> Self {
        let mut source = std::error::Error::source(&status);
        while let Some(cause) = source {
            if let Some(error) = cause.downcast_ref::<hyper::Error>() {
                return Self::from(error);
            }
            source = cause.source();
        }
        match status.code() {
            Code::Unimplemented => Self::Unserved,
            Code::DeadlineExceeded => Self::TimedOut,
            Code::PermissionDenied | Code::Unauthenticated => Self::Forbidden,
            code if status.message().is_empty() => Self::refused(&chain(&std::io::Error::other(code.to_string()))),
            _ => Self::refused(status.message()),
        }
    }
}
