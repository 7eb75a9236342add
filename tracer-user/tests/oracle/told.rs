//! What the tracer told of a workload, as facts: its JSON lines, and its recording.

use serde_json::Value;
use tracer_user::event::{BootNs, Event, Handler, SendResult, What};

use crate::fact::{Fact, Kind};

/// Codes that any signal may have, and those of the signals that the workloads send. The names are the contract's.
const CODES: [(&str, i32); 16] = [
    ("SI_USER", 0),
    ("SI_KERNEL", 0x80),
    ("SI_QUEUE", -1),
    ("SI_TIMER", -2),
    ("SI_MESGQ", -3),
    ("SI_ASYNCIO", -4),
    ("SI_SIGIO", -5),
    ("SI_TKILL", -6),
    ("CLD_EXITED", 1),
    ("CLD_KILLED", 2),
    ("CLD_DUMPED", 3),
    ("CLD_TRAPPED", 4),
    ("CLD_STOPPED", 5),
    ("CLD_CONTINUED", 6),
    ("SEGV_MAPERR", 1),
    ("SEGV_ACCERR", 2),
];
/// In the order of the kernel's numbers.
const RESULTS: [&str; 5] = ["queued", "ignored", "already-pending", "overflow", "info-lost"];

fn number(value: &Value) -> u32 {
    value.as_u64().and_then(|number| number.try_into().ok()).unwrap_or_else(|| panic!("{value} is no number"))
}

/// The facts of a JSON line, if it is of a kind that ftrace knows, too. `boot_to_wall` is what its time has on top.
pub(crate) fn line(line: &Value, boot_to_wall: i64) -> Option<Fact> {
    let time = line["time"].as_str().expect("every line has a time");
    let time = time::OffsetDateTime::parse(time, &time::format_description::well_known::Rfc3339).expect("RFC 3339");
    let since_boot = time.unix_timestamp_nanos() - i128::from(boot_to_wall);
    let at = u64::try_from(since_boot / 1_000).expect("nothing happens before the boot");
    let fact = |kind, tid, what| Some(Fact { at, kind, tid, what });
    match line["kind"].as_str().expect("every line has a kind") {
        "signal" => {
            let code = line["code"].as_str().expect("a code");
            let known = CODES.iter().find(|(name, _)| *name == code).map(|(_, code)| *code);
            let code = known.unwrap_or_else(|| code.parse().unwrap_or_else(|_| panic!("what is the code {code}?")));
            let result = RESULTS.iter().position(|result| line["result"] == *result).expect("a result");
            let (signal, from) = (&line["number"], number(&line["sender"]["tid"]));
            let what = format!("sig={signal} code={code} res={result} from={from}");
            fact(Kind::Generate, number(&line["target"]["tid"]), what)
        }
        "deliver" => {
            let handlers = ["default", "ignore", "handler"];
            let handler = handlers.iter().position(|handler| line["handler"] == *handler).expect("a handler");
            let what = format!("sig={} handler={handler}", line["number"]);
            fact(Kind::Deliver, number(&line["target"]["tid"]), what)
        }
        // how the first process came into the cgroup is no fork
        "fork" if line["joined"] == true => None,
        "fork" => fact(Kind::Fork, number(&line["process"]["pid"]), String::new()),
        "exec" => {
            let name = line["filename"].as_str().expect("a file name");
            fact(Kind::Exec, number(&line["process"]["pid"]), name.to_owned())
        }
        "exit" => fact(Kind::Exit, number(&line["process"]["pid"]), String::new()),
        _ => None,
    }
}

/// The facts of a recorded event.
pub(crate) fn event(Event(BootNs(at), what): &Event) -> Option<Fact> {
    let fact = |kind, tid, what| Some(Fact { at: at / 1_000, kind, tid, what });
    match what {
        What::Signal(sent) => {
            let result = match sent.result {
                SendResult::Queued => 0,
                SendResult::Ignored => 1,
                SendResult::AlreadyPending => 2,
                SendResult::Overflow => 3,
                SendResult::InfoLost => 4,
            };
            let (signal, code, from) = (sent.signal.number(), sent.code, sent.sender.tid);
            let group = u8::from(sent.group);
            let what = format!("sig={signal} code={code} res={result} from={from} group={group}");
            fact(Kind::Generate, sent.target.tid, what)
        }
        What::Deliver(delivered) => {
            let handler = match delivered.handler {
                Handler::Default => 0,
                Handler::Ignore => 1,
                Handler::Function => 2,
                Handler::Unknown => panic!("a handler could not be read: {delivered:?}"),
            };
            let (signal, code, flags) = (delivered.signal.number(), delivered.code, delivered.sa_flags);
            let what = format!("sig={signal} handler={handler} code={code} flags={flags:x}");
            fact(Kind::Deliver, delivered.target.tid, what)
        }
        What::Fork(forked) => fact(Kind::Fork, forked.child.pid, String::new()),
        What::Exec(execed) => fact(Kind::Exec, execed.task.pid, execed.filename.clone()),
        What::Exit(exited) => fact(Kind::Exit, exited.task.pid, String::new()),
        What::Reaped(reaped) => fact(Kind::Reaped, reaped.task.pid, String::new()),
        _ => None,
    }
}
