//! What kubelet does to a runtime, and nothing else of it: pods are run, and stopped as kubelet 1.31 stops them.
//!
//! <https://github.com/kubernetes/kubernetes/blob/v1.31.0/pkg/kubelet/kuberuntime/kuberuntime_container.go>

pub(crate) mod spec;

use super::cri::Containerd;
use super::{PATIENCE, image, until};
use k8s_cri::v1::image_service_client::ImageServiceClient;
use k8s_cri::v1::runtime_service_client::RuntimeServiceClient;
use k8s_cri::v1::{
    ContainerConfig, ContainerState, ContainerStatus, ContainerStatusRequest, CreateContainerRequest, ExecSyncRequest,
    ExecSyncResponse, ListImagesRequest, PodSandboxConfig, RemovePodSandboxRequest, RunPodSandboxRequest,
    StartContainerRequest, StopContainerRequest, StopPodSandboxRequest,
};
use serde_json::Value;
use spec::{ContainerSpec, PodSpec};
use std::path::PathBuf;
use std::sync::mpsc::channel;
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};
use tonic::transport::{Channel, Endpoint};
use tonic::{Response, Status};

/// What every container is given at least, s: `minimumGracePeriodInSeconds`.
const LEAST_GRACE_S: u32 = 2;

/// The one who talks to containerd. It keeps nothing but where that is: threads may share it.
pub(crate) struct Kubelet<'a> {
    containerd: &'a Containerd,
}

/// A pod that runs or ran.
pub(crate) struct Pod {
    /// As it was specified.
    pub(crate) spec: PodSpec,
    /// Id of its sandbox.
    pub(crate) sandbox: String,
    config: PodSandboxConfig,
    containers: Mutex<Vec<Running>>,
}

/// A container that runs or ran.
#[derive(Clone)]
pub(crate) struct Running {
    /// Its id.
    pub(crate) id: String,
    /// As it was specified.
    pub(crate) spec: ContainerSpec,
    /// How often it had run before.
    pub(crate) attempt: u32,
}

impl Pod {
    /// All containers that it ever had, in the order of their beginnings.
    pub(crate) fn all(&self) -> Vec<Running> {
        self.lock().clone()
    }

    /// The last container of that name.
    #[track_caller]
    pub(crate) fn container(&self, name: &str) -> Running {
        self.lock().iter().rfind(|running| running.spec.name == name).expect("it was created").clone()
    }

    /// The log of a container, as CRI has it: each line begins with its time, its stream and a flag.
    pub(crate) fn log(&self, running: &Running) -> String {
        std::fs::read_to_string(self.log_file(&running.spec, running.attempt)).unwrap_or_default()
    }

    fn log_file(&self, spec: &ContainerSpec, attempt: u32) -> PathBuf {
        PathBuf::from(&self.config.log_directory).join(spec::log_path(spec, attempt))
    }

    /// The last container of each name.
    fn latest(&self) -> Vec<Running> {
        let latest = |spec: &ContainerSpec| self.container(spec.name);
        self.spec.containers.iter().map(latest).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Running>> {
        self.containers.lock().expect("nobody panics with the list in their hands")
    }
}

impl<'a> Kubelet<'a> {
    /// Kubelet of that runtime, when that has its images: the CRI plugin learns of an import a moment later.
    #[track_caller]
    pub(crate) fn new(containerd: &'a Containerd) -> Self {
        let kubelet = Self { containerd };
        let names: Vec<String> = image::names().collect();
        kubelet.has_images(&names);
        kubelet
    }

    /// Waits until the runtime has these images.
    #[track_caller]
    pub(crate) fn has_images(&self, wanted: &[String]) {
        until("CRI to know the images", PATIENCE, || {
            // A containerd that has just started answers that it is not initialized.
            let answer = self.try_call(async |channel| {
                ImageServiceClient::new(channel).list_images(ListImagesRequest::default()).await
            });
            let answer = answer.ok()?;
            let names: Vec<_> = answer.images.iter().flat_map(|image| &image.repo_tags).collect();
            wanted.iter().all(|name| names.contains(&name)).then_some(())
        });
    }

    /// Runs a pod: its sandbox, then its containers, one after the other: sidecars first, which are init containers.
    #[track_caller]
    pub(crate) fn run(&self, spec: PodSpec) -> Pod {
        let pod = self.run_sandbox(spec);
        let (sidecars, others): (Vec<_>, Vec<_>) = pod.spec.containers.iter().partition(|spec| spec.sidecar);
        for container in sidecars.into_iter().chain(others) {
            self.start(&pod, container, 0);
        }
        pod
    }

    /// The sandbox alone.
    #[track_caller]
    pub(crate) fn run_sandbox(&self, spec: PodSpec) -> Pod {
        if let Some(cgroup) = spec.cgroup() {
            self.containerd.pod_has(&cgroup);
        }
        let config = spec.sandbox(&self.containerd.dir().join("pods"));
        let request = RunPodSandboxRequest { config: Some(config.clone()), ..RunPodSandboxRequest::default() };
        let answer = self
            .call("RunPodSandbox", async |channel| RuntimeServiceClient::new(channel).run_pod_sandbox(request).await);
        Pod { spec, sandbox: answer.pod_sandbox_id, config, containers: Mutex::default() }
    }

    /// Creates and starts a container: for the first time, or again.
    #[track_caller]
    pub(crate) fn start(&self, pod: &Pod, spec: &ContainerSpec, attempt: u32) -> String {
        self.start_as(pod, spec, attempt, |_| {})
    }

    /// The same, of what `change` makes of the container's configuration.
    #[track_caller]
    pub(crate) fn start_as(
        &self,
        pod: &Pod,
        spec: &ContainerSpec,
        attempt: u32,
        change: impl FnOnce(&mut ContainerConfig),
    ) -> String {
        let mut config = pod.spec.container(spec, attempt);
        change(&mut config);
        let log = pod.log_file(spec, attempt);
        std::fs::create_dir_all(log.parent().expect("it has one")).expect("directories for logs can be made");
        let request = CreateContainerRequest {
            pod_sandbox_id: pod.sandbox.clone(),
            config: Some(config),
            sandbox_config: Some(pod.config.clone()),
        };
        let answer = self.call("CreateContainer", async |channel| {
            RuntimeServiceClient::new(channel).create_container(request).await
        });
        let id = answer.container_id;
        pod.lock().push(Running { id: id.clone(), spec: *spec, attempt });
        let request = StartContainerRequest { container_id: id.clone() };
        self.call("StartContainer", async |channel| RuntimeServiceClient::new(channel).start_container(request).await);
        id
    }

    /// `kubectl delete pod`, with `--grace-period` if there is one: all containers are stopped at the same time, sidecars
    /// one after the other when those have ended, and at last the sandbox.
    #[track_caller]
    pub(crate) fn delete(&self, pod: &Pod, grace: Option<u32>) {
        self.stop_containers(pod, grace.unwrap_or(pod.spec.grace));
        self.remove(pod);
    }

    /// The same without removing anything.
    #[track_caller]
    pub(crate) fn stop_containers(&self, pod: &Pod, grace: u32) {
        let started = Instant::now();
        let (sidecars, others): (Vec<_>, Vec<_>) = pod.latest().into_iter().partition(|running| running.spec.sidecar);
        std::thread::scope(|scope| {
            for running in &others {
                scope.spawn(|| self.stop(running, grace));
            }
        });
        for sidecar in sidecars.iter().rev() {
            let used = u32::try_from(started.elapsed().as_secs()).unwrap_or(u32::MAX);
            self.stop(sidecar, grace.saturating_sub(used));
        }
    }

    /// A container whose liveness probe failed is stopped and started again in its pod.
    #[track_caller]
    pub(crate) fn restart(&self, pod: &Pod, name: &str) -> String {
        let running = pod.container(name);
        self.stop(&running, pod.spec.grace);
        self.start(pod, &running.spec, running.attempt + 1)
    }

    /// Stops a container: the hook, as long as the grace period lasts, and what is left of that for the program.
    #[track_caller]
    pub(crate) fn stop(&self, running: &Running, grace: u32) {
        std::thread::scope(|scope| {
            let mut left = grace;
            if let Some(hook) = running.spec.pre_stop.filter(|_| grace > 0) {
                let started = Instant::now();
                let (sender, done) = channel();
                // A hook that goes on after that is ended with its container, and its exec with it.
                scope.spawn(move || {
                    let outcome = self.exec(&running.id, hook);
                    sender.send(outcome).unwrap_or_default();
                });
                // Whether it failed makes no difference.
                drop(done.recv_timeout(Duration::from_secs(grace.into())));
                left -= u32::try_from(started.elapsed().as_secs()).map_or(grace, |used| used.min(grace));
            }
            self.try_stop(&running.id, left.max(LEAST_GRACE_S))
                .unwrap_or_else(|error| panic!("StopContainer: {error}\n{}", self.containerd.logs()));
        });
    }

    /// Asks the runtime once to stop a container, without its hook.
    pub(crate) fn try_stop(&self, id: &str, seconds: u32) -> Result<(), Status> {
        let request = StopContainerRequest { container_id: id.to_owned(), timeout: seconds.into() };
        self.try_call(async |channel| RuntimeServiceClient::new(channel).stop_container(request).await).map(drop)
    }

    /// Ends the sandbox and removes all that is left of the pod.
    #[track_caller]
    pub(crate) fn remove(&self, pod: &Pod) {
        let id = pod.sandbox.clone();
        let stop = StopPodSandboxRequest { pod_sandbox_id: id.clone() };
        self.call("StopPodSandbox", async |channel| RuntimeServiceClient::new(channel).stop_pod_sandbox(stop).await);
        let remove = RemovePodSandboxRequest { pod_sandbox_id: id };
        self.call("RemovePodSandbox", async |channel| {
            RuntimeServiceClient::new(channel).remove_pod_sandbox(remove).await
        });
        if let Some(cgroup) = pod.spec.cgroup() {
            self.containerd.remove_cgroup(&cgroup);
        }
    }

    /// Runs a command in a container until it ends, as hooks and `kubectl exec` do. An error is one of the runtime's:
    /// a command that fails is none.
    pub(crate) fn exec(&self, id: &str, command: &[&str]) -> Result<ExecSyncResponse, Status> {
        let cmd = command.iter().map(|&word| word.to_owned()).collect();
        let request = ExecSyncRequest { container_id: id.to_owned(), cmd, timeout: 0 };
        self.try_call(async |channel| RuntimeServiceClient::new(channel).exec_sync(request).await)
    }

    /// Waits until a container has exited by itself.
    #[track_caller]
    pub(crate) fn ends(&self, id: &str) -> i32 {
        until(&format!("container {id} to exit"), PATIENCE, || {
            let (status, _) = self.status(id);
            (status.state() == ContainerState::ContainerExited).then_some(status.exit_code)
        })
    }

    /// The pid, as the host sees it, of a container's first process.
    #[track_caller]
    pub(crate) fn pid(&self, id: &str) -> u32 {
        let (_, info) = self.status(id);
        info["pid"].as_u64().and_then(|pid| u32::try_from(pid).ok()).expect("containerd tells the pid")
    }

    #[track_caller]
    fn status(&self, id: &str) -> (ContainerStatus, Value) {
        let request = ContainerStatusRequest { container_id: id.to_owned(), verbose: true };
        let answer = self.call("ContainerStatus", async |channel| {
            RuntimeServiceClient::new(channel).container_status(request).await
        });
        let info = answer.info.get("info").map(String::as_str).unwrap_or_default();
        (answer.status.expect("it has one"), serde_json::from_str(info).unwrap_or_default())
    }

    #[track_caller]
    fn call<T>(&self, what: &str, request: impl AsyncFnOnce(Channel) -> Result<Response<T>, Status>) -> T {
        self.try_call(request).unwrap_or_else(|error| panic!("{what}: {error}\n{}", self.containerd.logs()))
    }

    /// One connection for each request: kubelet would keep one, but has no other thread to share it with.
    fn try_call<T>(&self, request: impl AsyncFnOnce(Channel) -> Result<Response<T>, Status>) -> Result<T, Status> {
        let socket = self.containerd.socket();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            let answer = async {
                let endpoint = Endpoint::from_shared(format!("unix://{}", socket.display()));
                let channel = endpoint.map_err(|error| Status::internal(error.to_string()))?.connect().await;
                let channel = channel.map_err(|error| Status::unavailable(error.to_string()))?;
                request(channel).await
            };
            let late = |_| Status::deadline_exceeded(format!("no answer in {PATIENCE:?}"));
            Ok(tokio::time::timeout(PATIENCE, answer).await.map_err(late)??.into_inner())
        })
    }
}
