//! The layers of the configuration, and what is wrong with some.

use std::path::Path;

use super::*;

fn flag(name: &'static str, value: &str) -> Layer {
    Layer::from([(name, (vec![value.to_owned()], Origin::Flag))])
}

fn parsed(text: &str) -> Result<Layer, ConfigError> {
    file(Path::new("/etc/tracer/agent.toml"), text)
}

#[test]
fn flags_come_before_the_environment_and_that_before_the_file() {
    let text = "# comment\nrecord-files = 3\nhistory-size = \"1MiB\"\nsocket = \"/run/file.sock\"\n";
    let environment = environment(|name| match name {
        "TRACER_HISTORY_SIZE" => Some("2MiB".to_owned()),
        "TRACER_SOCKET" => Some("/run/environment.sock".to_owned()),
        "TRACER_NAMESPACE" => Some("shop,bank".to_owned()),
        _ => None,
    });
    let file = parsed(text).expect("it is good");
    let config = Config::new(flag("socket", "/run/flag.sock"), environment, file).expect("it is good");
    assert_eq!(config.socket, Path::new("/run/flag.sock"));
    assert_eq!(config.bounds, Bounds { bytes: 2 << 20, terminations: 512 });
    assert_eq!(config.filters.namespaces, ["shop", "bank"]);
    assert_eq!(config.typed_filters(), ["--namespace shop", "--namespace bank"]);
    let printed = config.print();
    for line in [
        "socket = \"/run/flag.sock\"  # the command line",
        "history-size = \"2MiB\"  # TRACER_HISTORY_SIZE",
        "record-files = \"3\"  # /etc/tracer/agent.toml:2",
        "log-level = \"info\"  # default",
        "namespace = [\"shop\", \"bank\"]  # TRACER_NAMESPACE",
        "# record-dir is not set",
    ] {
        assert!(printed.lines().any(|printed| printed == line), "{line} is not in\n{printed}");
    }
    // what is printed says the same
    let again = parsed(&printed).expect("it is a file");
    let again = Config::new(Layer::new(), Layer::new(), again).expect("it is good");
    assert_eq!(again.changes(&config), (Vec::new(), Vec::new()));
}

#[test]
fn what_is_unknown_is_named_with_its_line_and_what_is_nearest() {
    let told = |text: &str| parsed(text).expect_err("it is wrong").to_string();
    assert_eq!(
        told("socket = \"/a\"\n\nrecord_dir = \"/var\"\n"),
        "/etc/tracer/agent.toml:3: there is no setting record_dir; did you mean record-dir?"
    );
    assert_eq!(told("zzz = 1"), "/etc/tracer/agent.toml:1: there is no setting zzz");
    assert_eq!(told("\nsocket = [\"/a\"]\n"), "/etc/tracer/agent.toml:2: socket wants one value");
    assert_eq!(told("\nlabel = [1.5]\n"), "/etc/tracer/agent.toml:2: label wants a text or a list of texts");
    assert!(told("a = 1\nb ==\n").starts_with("/etc/tracer/agent.toml:2: "));
}

#[test]
fn a_value_that_means_nothing_is_told_with_where_it_is_from() {
    for (name, value, what) in [
        ("log-level", "loud", "loud is none of error, warn, info, debug"),
        ("history-size", "12XB", "12XB is no size such as 64MiB, 500M or 1048576"),
        ("history-size", "1k", "1k is too little: 64KiB at least"),
        ("ring-size", "1k", "1k is too little: 64KiB at least"),
        ("ring-size", "2GiB", "2GiB is too much: 1GiB at most"),
        ("ring-size", "5GiB", "5GiB is too much: 1GiB at most"),
        ("history-terminations", "0", "0 is no number from 1 to 1000000"),
        ("socket", "agent.sock", "a path that begins with / is wanted"),
        ("log-format", "xml", "xml is neither text nor json"),
        (
            "metrics-listen",
            "9469",
            "9469 cannot be listened on (invalid socket address syntax): an address and a port are wanted, such as \
             127.0.0.1:9469, [::]:9469 or, for every address, :9469",
        ),
        ("metrics-pod-names", "yes", "yes is neither true nor false"),
        ("kubernetes-events", "yes", "yes is neither true nor false"),
        ("node-name", "a&b", "a&b is no name of a node"),
        ("kubernetes-api", "k8s", "k8s is no address such as http://127.0.0.1:8001"),
    ] {
        let error = Config::new(flag(name, value), Layer::new(), Layer::new()).expect_err(value);
        assert_eq!(error.to_string(), format!("{name} from the command line: {what}"));
    }
    assert_eq!((bytes("64MiB"), bytes("500M"), bytes("65536")), (Ok(64 << 20), Ok(500_000_000), Ok(65_536)));
}

#[test]
fn a_ring_has_a_size_that_the_kernel_takes() {
    for (text, wanted) in [("64KiB", 1 << 16), ("3MiB", 1 << 22), ("16MiB", 1 << 24), ("1GiB", 1 << 30)] {
        let config = Config::new(flag("ring-size", text), Layer::new(), Layer::new()).expect(text);
        assert_eq!(config.ring_bytes, wanted, "{text}");
    }
    let usual = Config::new(Layer::new(), Layer::new(), Layer::new()).expect("nothing is said");
    assert_eq!(usual.ring_bytes, tracer_common::RING_BYTES);
}

#[test]
fn nothing_is_wanted_of_kubernetes_that_nobody_asked_for() {
    let config = |text: &str| Config::new(Layer::new(), Layer::new(), parsed(text).expect("good")).expect("good");
    assert_eq!(config("node-name = \"n1\"\nkubernetes-events = false\n").kubernetes, None);
    let wanted = config("node-name = \"n1\"\nkubernetes-events = true\n").kubernetes.expect("it is wanted");
    assert_eq!((wanted.events, wanted.watch, wanted.node.as_deref()), (true, false, Some("n1")));
    let watch = Config::new(flag("kubernetes-watch", "true"), Layer::new(), Layer::new());
    let error = watch.expect_err("of which node?").to_string();
    assert!(error.starts_with("kubernetes-watch: node-name is wanted as well"), "{error}");
}

#[test]
fn the_variables_that_opentelemetry_agreed_on_count_after_our_own() {
    let told = |variables: &[(&str, &str)]| {
        let read =
            |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
        Config::new(Layer::new(), environment(read), Layer::new())
    };
    let config = told(&[]).expect("good");
    assert_eq!(config.traces, None);
    let config = told(&[
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:4318"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Basic%20c2VjcmV0,x-tenant=shop"),
        ("OTEL_RESOURCE_ATTRIBUTES", "k8s.cluster.name=east,k8s.node.name=node-1"),
    ]);
    let config = config.expect("good");
    let printed = config.print();
    assert!(printed.contains("otlp-endpoint = \"http://c:4318\"  # OTEL_EXPORTER_OTLP_ENDPOINT\n"), "{printed}");
    assert!(printed.contains("# otlp-headers is set and not shown  # OTEL_EXPORTER_OTLP_HEADERS\n"), "{printed}");
    assert!(!printed.contains("c2VjcmV0") && !format!("{:?}", config.traces).contains("secret"), "{printed}");
    let traces = config.traces.expect("it is set");
    assert_eq!(traces.endpoint.to_string(), "http://c:4318/v1/traces");
    assert_eq!((&traces.headers["authorization"], &traces.headers["x-tenant"]).0, "Basic c2VjcmV0");
    assert_eq!(traces.attributes[1], ("k8s.node.name".to_owned(), "node-1".to_owned()));
    let node = told(&[("TRACER_NODE_NAME", "n1"), ("TRACER_OTLP_ENDPOINT", "http://c")]).expect("good");
    let named = ["k8s.node.name", "host.name"].map(|key| (key.to_owned(), "n1".to_owned()));
    assert_eq!(node.traces.expect("it is set").attributes, named);
    // the address for traces alone is the whole of it
    let endpoint =
        |variables: &[(&str, &str)]| told(variables).expect("good").traces.expect("set").endpoint.to_string();
    let (all, only, own) = (
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://all"),
        ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://only/in"),
        ("TRACER_OTLP_ENDPOINT", "http://own"),
    );
    assert_eq!(endpoint(&[all, only]), "http://only/in");
    assert_eq!(endpoint(&[all, only, own]), "http://own/v1/traces");
    let error = told(&[("TRACER_OTLP_HEADERS", "x-a=sec\u{1}ret")]).expect_err("no header").to_string();
    assert!(error.contains("x-a") && !error.contains("ret"), "{error}");
}

/// They may be set for all pods of a cluster.
#[test]
fn a_variable_for_all_programs_that_is_nothing_for_us_only_turns_traces_off() {
    let told = |variables: &[(&str, &str)]| {
        let read =
            |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
        Config::new(Layer::new(), environment(read), Layer::new())
    };
    let good = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:4318");
    let own = ("TRACER_OTLP_ENDPOINT", "http://own");
    let none = ("OTEL_TRACES_EXPORTER", "none");
    let grpc = ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc");
    let protobuf = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "http/protobuf");
    for (variables, why) in [
        (vec![("OTEL_EXPORTER_OTLP_ENDPOINT", "grpc://c:4317")], "a URL such as"),
        (vec![("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "c:4317")], "a URL such as"),
        (vec![("OTEL_EXPORTER_OTLP_ENDPOINT", "https://user:s3cret@c")], "a password does not belong"),
        (vec![good, none], "OTEL_TRACES_EXPORTER is none"),
        (vec![good, grpc], "OTEL_EXPORTER_OTLP_PROTOCOL is grpc"),
        (vec![good, ("OTEL_EXPORTER_OTLP_HEADERS", "s3cret")], "otlp-headers from OTEL_EXPORTER_OTLP_HEADERS"),
        (vec![own, ("OTEL_RESOURCE_ATTRIBUTES", "nonsense")], "otlp-attributes from OTEL_RESOURCE_ATTRIBUTES"),
    ] {
        let config = told(&variables).expect("the agent runs all the same");
        let off = config.traces_off.clone().expect("it is said");
        assert!(config.traces.is_none() && off.contains(why) && !off.contains("s3cret"), "{off}");
        let printed = config.print();
        assert!(printed.contains("# otlp-endpoint is not set") && !printed.contains("s3cret"), "{printed}");
    }
    for variables in [vec![good], vec![good, grpc, protobuf], vec![own, none, grpc]] {
        let config = told(&variables).expect("good");
        assert!(config.traces.is_some() && config.traces_off.is_none(), "{variables:?}");
    }
    for variables in [vec![none, grpc], vec![("OTEL_RESOURCE_ATTRIBUTES", "nonsense")]] {
        let config = told(&variables).expect("nobody wants traces");
        assert_eq!((config.traces, config.traces_off), (None, None), "{variables:?}");
    }
    let error = told(&[("TRACER_OTLP_ENDPOINT", "grpc://c"), good]).expect_err("no gRPC").to_string();
    assert!(error.starts_with("otlp-endpoint from TRACER_OTLP_ENDPOINT: grpc://c: a URL such as"), "{error}");
}

#[test]
fn whom_to_trust_is_said_as_others_agreed_on() {
    let trusted = |variables: &[(&str, &str)]| {
        let read =
            |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
        Config::new(Layer::new(), environment(read), Layer::new()).map(|config| config.traces.expect("set").authorities)
    };
    let https = ("OTEL_EXPORTER_OTLP_ENDPOINT", "https://c:4318");
    let (all, only, own) = (
        ("OTEL_EXPORTER_OTLP_CERTIFICATE", "/all.crt"),
        ("OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE", "/only.crt"),
        ("TRACER_OTLP_CERTIFICATE", "/own.crt"),
    );
    assert_eq!(trusted(&[https]), Ok(None));
    for (variables, file) in
        [(&[https, all][..], "/all.crt"), (&[https, all, only], "/only.crt"), (&[https, all, only, own], "/own.crt")]
    {
        assert_eq!(trusted(variables), Ok(Some(PathBuf::from(file))));
    }
}

#[test]
fn what_changed_is_told_apart_by_whether_it_can_be_taken_over() {
    let config = |text: &str| Config::new(Layer::new(), Layer::new(), parsed(text).expect("good")).expect("good");
    let (before, after) = (config(""), config("log-level = \"warn\"\nsocket = \"/a\"\nrecord-dir = \"/var\"\n"));
    assert_eq!(before.changes(&after), (vec!["record-dir", "log-level"], vec!["socket"]));
    assert!(before.metrics.is_none() && !before.metrics_pod_names, "nothing listens if nobody says so");
    assert!(!before.command_lines && config("command-lines = true\n").command_lines, "only if somebody says so");
    let metrics = config("metrics-listen = \":9469\"\nmetrics-pod-names = true\n");
    assert_eq!(metrics.metrics, config("metrics-listen = \"[::]:9469\"\n").metrics);
    assert_eq!((metrics.metrics.map(|at| at.port()), metrics.metrics_pod_names), (Some(9469), true));
    assert_eq!(after.record.expect("it is set").files, 8);
}
