//! The part of `runtime.v1` that is of use, by hand: the field numbers of `k8s.io/cri-api/pkg/apis/runtime/v1/api.proto`
//! as of Kubernetes 1.34. What is not listed here is passed over, and costs nothing.
//!
//! Every `string` is read as `bytes`, which is the same on the wire: protobuf throws away the whole answer for one
//! label that is not UTF-8, and then a container has no name. A `map<string, string>` is a list of [`Entry`].

use prost::Message;

/// Text as it arrives; nobody has looked whether it is UTF-8.
pub(in super::super) type Text = Vec<u8>;

/// One entry of a map.
#[derive(Clone, PartialEq, Eq, Message)]
pub(in super::super) struct Entry {
    #[prost(bytes = "vec", tag = "1")]
    pub(in super::super) key: Text,
    #[prost(bytes = "vec", tag = "2")]
    pub(in super::super) value: Text,
}

/// `RuntimeService.Version`.
#[derive(Clone, PartialEq, Eq, Message)]
pub(in super::super) struct VersionRequest {
    #[prost(bytes = "vec", tag = "1")]
    pub(in super::super) version: Text,
}

#[derive(Clone, PartialEq, Eq, Message)]
pub(in super::super) struct VersionResponse {
    #[prost(bytes = "vec", tag = "2")]
    pub(in super::super) runtime_name: Text,
    #[prost(bytes = "vec", tag = "3")]
    pub(in super::super) runtime_version: Text,
}

/// `RuntimeService.ListContainers`. The filter's states are 0 created, 1 running, 2 exited.
#[derive(Clone, PartialEq, Eq, Message)]
pub(in super::super) struct ListContainersRequest {
    #[prost(message, optional, tag = "1")]
    pub(in super::super) filter: Option<ContainerFilter>,
}

#[derive(Clone, PartialEq, Eq, Message)]
pub(in super::super) struct ContainerFilter {
    #[prost(message, optional, tag = "2")]
    pub(in super::super) state: Option<StateValue>,
}

/// `ContainerStateValue` and `PodSandboxStateValue`.
#[derive(Clone, PartialEq, Eq, Message)]
pub(in super::super) struct StateValue {
    #[prost(int32, tag = "1")]
    pub(in super::super) state: i32,
}

/// `RuntimeService.ListPodSandbox`. The filter's states are 0 ready, 1 not ready.
#[derive(Clone, PartialEq, Eq, Message)]
pub(in super::super) struct ListPodSandboxRequest {
    #[prost(message, optional, tag = "1")]
    pub(in super::super) filter: Option<PodSandboxFilter>,
}

#[derive(Clone, PartialEq, Eq, Message)]
pub(in super::super) struct PodSandboxFilter {
    #[prost(message, optional, tag = "2")]
    pub(in super::super) state: Option<StateValue>,
}

/// `ListContainersResponse` and `ListPodSandboxResponse`: of each item only the id.
#[derive(Clone, PartialEq, Eq, Message)]
pub(in super::super) struct ListResponse {
    #[prost(message, repeated, tag = "1")]
    pub(in super::super) items: Vec<Item>,
}

#[derive(Clone, PartialEq, Eq, Message)]
pub(in super::super) struct Item {
    #[prost(bytes = "vec", tag = "1")]
    pub(in super::super) id: Text,
}

/// `RuntimeService.ContainerStatus` and `RuntimeService.PodSandboxStatus`.
#[derive(Clone, PartialEq, Eq, Message)]
pub(in super::super) struct StatusRequest {
    #[prost(bytes = "vec", tag = "1")]
    pub(in super::super) id: Text,
    #[prost(bool, tag = "2")]
    pub(in super::super) verbose: bool,
}

#[derive(Clone, PartialEq, Eq, Message)]
pub(in super::super) struct ContainerStatusResponse {
    #[prost(message, optional, tag = "1")]
    pub(in super::super) status: Option<ContainerStatus>,
    #[prost(message, repeated, tag = "2")]
    pub(in super::super) info: Vec<Entry>,
}

#[derive(Clone, PartialEq, Eq, Message)]
pub(in super::super) struct ContainerStatus {
    #[prost(bytes = "vec", tag = "1")]
    pub(in super::super) id: Text,
    #[prost(message, optional, tag = "2")]
    pub(in super::super) metadata: Option<ContainerMetadata>,
    /// One of [`state`].
    #[prost(int32, tag = "3")]
    pub(in super::super) state: i32,
    #[prost(message, optional, tag = "8")]
    pub(in super::super) image: Option<ImageSpec>,
    #[prost(bytes = "vec", tag = "9")]
    pub(in super::super) image_ref: Text,
    #[prost(message, repeated, tag = "12")]
    pub(in super::super) labels: Vec<Entry>,
    #[prost(message, repeated, tag = "13")]
    pub(in super::super) annotations: Vec<Entry>,
    #[prost(bytes = "vec", tag = "17")]
    pub(in super::super) image_id: Text,
    /// Position in [`SIGNALS`]; from Kubernetes 1.33 on.
    #[prost(int32, tag = "19")]
    pub(in super::super) stop_signal: i32,
}

/// `ContainerState`.
pub(in super::super) mod state {
    pub(in super::super::super) const CREATED: i32 = 0;
    pub(in super::super::super) const RUNNING: i32 = 1;
}

#[derive(Clone, PartialEq, Eq, Message)]
pub(in super::super) struct ContainerMetadata {
    #[prost(bytes = "vec", tag = "1")]
    pub(in super::super) name: Text,
    #[prost(uint32, tag = "2")]
    pub(in super::super) attempt: u32,
}

#[derive(Clone, PartialEq, Eq, Message)]
pub(in super::super) struct ImageSpec {
    #[prost(bytes = "vec", tag = "1")]
    pub(in super::super) image: Text,
    #[prost(bytes = "vec", tag = "18")]
    pub(in super::super) user_specified_image: Text,
}

#[derive(Clone, PartialEq, Eq, Message)]
pub(in super::super) struct PodSandboxStatusResponse {
    #[prost(message, optional, tag = "1")]
    pub(in super::super) status: Option<PodSandboxStatus>,
    #[prost(message, repeated, tag = "2")]
    pub(in super::super) info: Vec<Entry>,
}

#[derive(Clone, PartialEq, Eq, Message)]
pub(in super::super) struct PodSandboxStatus {
    #[prost(bytes = "vec", tag = "1")]
    pub(in super::super) id: Text,
    #[prost(message, optional, tag = "2")]
    pub(in super::super) metadata: Option<PodSandboxMetadata>,
    #[prost(message, optional, tag = "6")]
    pub(in super::super) linux: Option<LinuxPodSandboxStatus>,
    #[prost(message, repeated, tag = "7")]
    pub(in super::super) labels: Vec<Entry>,
    #[prost(message, repeated, tag = "8")]
    pub(in super::super) annotations: Vec<Entry>,
}

#[derive(Clone, PartialEq, Eq, Message)]
pub(in super::super) struct PodSandboxMetadata {
    #[prost(bytes = "vec", tag = "1")]
    pub(in super::super) name: Text,
    #[prost(bytes = "vec", tag = "2")]
    pub(in super::super) uid: Text,
    #[prost(bytes = "vec", tag = "3")]
    pub(in super::super) namespace: Text,
}

#[derive(Clone, PartialEq, Eq, Message)]
pub(in super::super) struct LinuxPodSandboxStatus {
    #[prost(message, optional, tag = "1")]
    pub(in super::super) namespaces: Option<Namespace>,
}

#[derive(Clone, PartialEq, Eq, Message)]
pub(in super::super) struct Namespace {
    #[prost(message, optional, tag = "2")]
    pub(in super::super) options: Option<NamespaceOption>,
}

#[derive(Clone, PartialEq, Eq, Message)]
pub(in super::super) struct NamespaceOption {
    /// `NamespaceMode`.
    #[prost(int32, tag = "2")]
    pub(in super::super) pid: i32,
}

/// `ImageService.ImageStatus`.
#[derive(Clone, PartialEq, Eq, Message)]
pub(in super::super) struct ImageStatusRequest {
    #[prost(message, optional, tag = "1")]
    pub(in super::super) image: Option<ImageSpec>,
    #[prost(bool, tag = "2")]
    pub(in super::super) verbose: bool,
}

#[derive(Clone, PartialEq, Eq, Message)]
pub(in super::super) struct ImageStatusResponse {
    #[prost(message, optional, tag = "1")]
    pub(in super::super) image: Option<Image>,
    #[prost(message, repeated, tag = "2")]
    pub(in super::super) info: Vec<Entry>,
}

#[derive(Clone, PartialEq, Eq, Message)]
pub(in super::super) struct Image {
    #[prost(bytes = "vec", repeated, tag = "2")]
    pub(in super::super) repo_tags: Vec<Text>,
}

/// `RuntimeService.GetContainerEvents`.
#[derive(Clone, PartialEq, Eq, Message)]
pub(in super::super) struct GetEventsRequest {}

#[derive(Clone, PartialEq, Eq, Message)]
pub(in super::super) struct ContainerEventResponse {
    #[prost(bytes = "vec", tag = "1")]
    pub(in super::super) container_id: Text,
    /// 0 created, 1 started, 2 stopped, 3 deleted.
    #[prost(int32, tag = "2")]
    pub(in super::super) event: i32,
}

/// The names of `enum Signal`, by their numbers; none for `RUNTIME_DEFAULT`, which is 0.
pub(in super::super) const SIGNALS: [&str; 66] = [
    "", "ABRT", "ALRM", "BUS", "CHLD", "CLD", "CONT", "FPE", "HUP", "ILL", "INT", "IO", "IOT", "KILL", "PIPE", "POLL",
    "PROF", "PWR", "QUIT", "SEGV", "STKFLT", "STOP", "SYS", "TERM", "TRAP", "TSTP", "TTIN", "TTOU", "URG", "USR1",
    "USR2", "VTALRM", "WINCH", "XCPU", "XFSZ", "RTMIN", "RTMIN+1", "RTMIN+2", "RTMIN+3", "RTMIN+4", "RTMIN+5",
    "RTMIN+6", "RTMIN+7", "RTMIN+8", "RTMIN+9", "RTMIN+10", "RTMIN+11", "RTMIN+12", "RTMIN+13", "RTMIN+14", "RTMIN+15",
    "RTMAX-14", "RTMAX-13", "RTMAX-12", "RTMAX-11", "RTMAX-10", "RTMAX-9", "RTMAX-8", "RTMAX-7", "RTMAX-6", "RTMAX-5",
    "RTMAX-4", "RTMAX-3", "RTMAX-2", "RTMAX-1", "RTMAX",
];
