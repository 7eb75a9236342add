//! Against daemons that are none: they say whatever a test makes them say.

mod cri;
mod docker;
mod grpc;
mod hostile;
mod http;

use super::*;

const A: &str = "6ea1b4602822bd02403ad7e666867f81a739cc7c8cb95bbb56e484ec54908a1e";
const B: &str = "25feb8a9b6fd585a738350f13a2b4a93983bd9bd249cfad25246d7bcd7ffb846";
const C: &str = "ca738f4de1be07b0c75523dcd349a35101f464acf794f4630366e78716c1852d";

/// The next names that are told, sorted: inspections run side by side.
async fn names(told: &mut mpsc::Receiver<Described>, count: usize) -> Vec<String> {
    let mut names = Vec::new();
    while names.len() < count {
        let described = tokio::time::timeout(Duration::from_secs(20), told.recv()).await.expect("in time");
        names.push(described.expect("a task that runs").name.expect("a name"));
    }
    names.sort();
    names
}

async fn state(names: &Names, is: impl Fn(&State) -> bool) -> State {
    let mut watch = names.daemons[0].state.clone();
    let state = tokio::time::timeout(Duration::from_secs(20), watch.wait_for(is)).await.expect("in time");
    state.expect("a task that runs").clone()
}

fn start(socket: Socket) -> (Names, mpsc::Receiver<Described>) {
    let (out, told) = mpsc::channel(16);
    (Names::start(vec![socket], &out), told)
}
