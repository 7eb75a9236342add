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

/// A daemon that has no room is asked again, and the others are not.
#[tokio::test]
async fn who_has_room_is_asked_once() {
    let daemon = |room: usize| {
        let (wants, wanted) = mpsc::channel(room);
        let socket = Socket { path: PathBuf::new(), kind: Kind::Cri };
        let task = tokio::spawn(async {}).abort_handle();
        (Daemon { socket, wants, state: watch::channel(State::default()).1, task }, wanted)
    };
    let ((roomy, mut all), (narrow, mut few)) = (daemon(8), daemon(1));
    let names = Names { daemons: vec![roomy, narrow], refused: Mutex::default() };
    assert!(names.want(A) && !names.want(B) && !names.want(B));
    assert_eq!(few.recv().await.as_deref(), Some(A));
    assert!(names.want(B));
    assert_eq!(few.recv().await.as_deref(), Some(B));
    assert_eq!([all.recv().await, all.recv().await].map(|id| id.expect("asked")), [A, B]);
    assert!(all.try_recv().is_err() && names.want(B), "what is asked for once more is asked of all");
    assert_eq!((all.recv().await.as_deref(), few.recv().await.as_deref()), (Some(B), Some(B)));
}
