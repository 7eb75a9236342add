use std::collections::BTreeMap;

use super::*;
use crate::event::PodName;

const WEB: &str = "abcd1b4602822bd02403ad7e666867f81a739cc7c8cb95bbb56e484ec54908a1";
const DB: &str = "abcd2a8b9b6fd585a738350f13a2b4a93983bd9bd249cfad25246d7bcd7ffb84";
const KUBE: &str = "25feb8a9b6fd585a738350f13a2b4a93983bd9bd249cfad25246d7bcd7ffb846";

fn called(id: &str, name: &str) -> ContainerName {
    ContainerName { id: id.to_owned(), name: Some(name.to_owned()), ..ContainerName::default() }
}

fn labelled(labels: &[(&str, &str)], of: ContainerName) -> ContainerName {
    let labels = labels.iter().map(|&(key, value)| (key.to_owned(), value.to_owned())).collect();
    ContainerName { labels, ..of }
}

fn in_pod(namespace: &str, pod: &str, of: ContainerName) -> ContainerName {
    let pod = PodName { namespace: namespace.to_owned(), name: pod.to_owned(), uid: format!("uid of {pod}") };
    ContainerName { pod: Some(pod), ..of }
}

fn compose(project: &str, service: &str, number: u32, of: ContainerName) -> ContainerName {
    let replica = if number == 1 { String::new() } else { format!("-{number}") };
    let labels = [("com.docker.compose.project", project), ("com.docker.compose.service", service)];
    ContainerName { service: Some(format!("{project}/{service}{replica}")), ..labelled(&labels, of) }
}

/// Containers of Docker, one of which runs for kubelet.
fn docker() -> Vec<ContainerName> {
    let kubelets = called(KUBE, "k8s_app_web-0_default_51e6a9b8-d4c3-42d2-a9dc-10dd18aa6ac7_0");
    let nameless = ContainerName { id: "lxc-guest".to_owned(), ..ContainerName::default() };
    vec![called(WEB, "shop-web-1"), called(DB, "shop-db-1"), kubelets, nameless]
}

/// Two replicas of a pod with two containers each, a stranger of the same name, and Compose's own.
fn cluster() -> Vec<ContainerName> {
    let app = |id: &str, pod: &str, name: &str| {
        labelled(&[("app", "web"), ("tier", "front")], in_pod("shop", pod, called(id, name)))
    };
    vec![
        app("1111aaaa", "web-0", "app"),
        app("1111bbbb", "web-0", "proxy"),
        app("2222aaaa", "web-1", "app"),
        labelled(&[("app", "other")], in_pod("test", "web-0", called("3333aaaa", "app"))),
        compose("blog", "nginx", 1, called("4444aaaa", "blog-nginx-1")),
        compose("blog", "nginx", 2, called("4444bbbb", "blog-nginx-2")),
        ContainerName { id: "5555aaaa".to_owned(), ..ContainerName::default() },
    ]
}

fn refs(known: &[ContainerName]) -> Vec<&ContainerName> {
    known.iter().collect()
}

fn containers(wanted: &[&str]) -> Filters {
    Filters { containers: wanted.iter().map(|&wanted| wanted.to_owned()).collect(), ..Filters::default() }
}

fn pods(wanted: &[&str]) -> Filters {
    Filters { pods: wanted.iter().map(|wanted| wanted.parse().expect("a pod")).collect(), ..Filters::default() }
}

fn labels(wanted: &[&str]) -> Filters {
    Filters { labels: wanted.iter().map(|wanted| wanted.parse().expect("a label")).collect(), ..Filters::default() }
}

fn namespaces(wanted: &[&str]) -> Filters {
    Filters { namespaces: wanted.iter().map(|&wanted| wanted.to_owned()).collect(), ..Filters::default() }
}

#[track_caller]
fn check_among(known: &[ContainerName], filters: &Filters, expect: &str) {
    let resolved = filters.resolve(&refs(known));
    assert_eq!(resolved[0].to_string(), expect);
    // whether any passes, and what it means, must never disagree
    let any = known.iter().any(|container| filters.container(container) == Verdict::Wanted);
    assert_eq!(any, !resolved[0].is_nothing(), "{filters:?}");
}

#[track_caller]
fn check(wanted: &str, expect: &str) {
    check_among(&docker(), &containers(&[wanted]), expect);
}

#[test]
fn what_a_filter_means() {
    check(WEB, "container abcd1b460282");
    check("abcd1", "container abcd1b460282");
    check("shop-db-1", "container abcd2a8b9b6f");
    check("/shop-db-1", "container abcd2a8b9b6f");
    check("lxc-guest", "container lxc-guest");
    check("k8s_app_web-0_default_51e6a9b8-d4c3-42d2-a9dc-10dd18aa6ac7_0", "container 25feb8a9b6fd");
    check("abcd", "abcd begins 2 ids (abcd1b460282, abcd2a8b9b6f); give more of the one you mean");
}

#[test]
fn slips() {
    check("shop-wbe-1", "no container is called shop-wbe-1 yet; did you mean shop-web-1 or shop-db-1?");
    check("shop-b-1", "no container is called shop-b-1 yet; did you mean shop-db-1 or shop-web-1?");
    check(
        "web",
        "no container is called web yet; did you mean \
         k8s_app_web-0_default_51e6a9b8-d4c3-42d2-a9dc-10dd18aa6ac7_0 or shop-web-1?",
    );
    check("SHOP-WEB-1", "no container is called SHOP-WEB-1 yet; did you mean shop-web-1 or shop-db-1?");
    check("postgres", "no container is called postgres yet");
    check("a", "no container is called a yet"); // too short for a prefix
    check("", "no container is called  yet");
    check("ABCD1", "no container is called ABCD1 yet");
    check("\u{1b}[2J", "no container is called \\x1b[2J yet");
}

#[test]
fn containers_of_pods_and_of_compose() {
    #[track_caller]
    fn check(wanted: &str, passes: &[&str], means: &str) {
        let known = cluster();
        let filters = containers(&[wanted]);
        let wanted = known.iter().filter(|container| filters.container(container) == Verdict::Wanted);
        assert_eq!(wanted.map(|container| container.id.as_str()).collect::<Vec<_>>(), passes);
        check_among(&known, &filters, means);
    }
    check("proxy", &["1111bbbb"], "container 1111bbbb");
    let apps = "app names 3 containers (shop/web-0/app, shop/web-1/app, test/web-0/app)";
    check("app", &["1111aaaa", "2222aaaa", "3333aaaa"], apps);
    check("web-1/app", &["2222aaaa"], "container 2222aaaa");
    let apps = "web-0/app names 2 containers (shop/web-0/app, test/web-0/app)";
    check("web-0/app", &["1111aaaa", "3333aaaa"], apps);
    check("shop/web-0/app", &["1111aaaa"], "container 1111aaaa");
    check("shop/app", &[], "no container is called shop/app yet; did you mean shop/web-0/app or shop/web-1/app?");
    check(
        "hop/web-0/app",
        &[],
        "no container is called hop/web-0/app yet; did you mean shop/web-0/app, shop/web-1/app or test/web-0/app?",
    );
    let both = "names 2 containers (blog/nginx, blog/nginx-2)";
    check("nginx", &["4444aaaa", "4444bbbb"], &format!("nginx {both}"));
    check("nginx-2", &["4444bbbb"], "container 4444bbbb");
    check("blog/nginx-2", &["4444bbbb"], "container 4444bbbb");
    // all replicas are the service
    check("blog/nginx", &["4444aaaa", "4444bbbb"], &format!("blog/nginx {both}"));
    check("blog-nginx-1", &["4444aaaa"], "container 4444aaaa");
    check("2222", &["2222aaaa"], "container 2222aaaa");
}

#[test]
fn what_kubelet_calls_a_container_of_docker() {
    let long = called(KUBE, "k8s_app_web-0_shop_51e6a9b8_0");
    let kubelets = in_pod("shop", "web-0", labelled(&[("io.kubernetes.container.name", "app")], long));
    for wanted in ["app", "web-0/app", "shop/web-0/app", "k8s_app_web-0_shop_51e6a9b8_0"] {
        assert_eq!(containers(&[wanted]).container(&kubelets), Verdict::Wanted, "{wanted}");
    }
    // who is in no pod cannot claim to be kubelet's
    let claims = labelled(&[("io.kubernetes.container.name", "app")], called(DB, "db"));
    assert_eq!(containers(&["app"]).container(&claims), Verdict::Unwanted);
}

#[test]
fn pods_namespaces_and_labels() {
    let check = |filters: &Filters, expect: &str| check_among(&cluster(), filters, expect);
    check(&pods(&["shop/web-0"]), "pod shop/web-0");
    check(&pods(&["web-1"]), "pod shop/web-1");
    check(&pods(&["web-0"]), "there is a pod web-0 in 2 namespaces (shop, test)");
    check(&pods(&["web-2"]), "no pod is called web-2 yet; did you mean shop/web-0, shop/web-1 or test/web-0?");
    check(&pods(&["prod/web-1"]), "no pod is called prod/web-1 yet; did you mean shop/web-1 or shop/web-0?");
    check(&pods(&["postgres"]), "no pod is called postgres yet");
    check(&namespaces(&["shop"]), "namespace shop");
    check(&namespaces(&["shpo"]), "no pod is in the namespace shpo yet; did you mean shop?");
    check(&labels(&["app=web"]), "label app=web");
    check(&labels(&["tier"]), "label tier");
    check(&labels(&["app=foo"]), "no container has the label app=foo yet; there are app=other, app=web");
    check(&labels(&["tier="]), "no container has the label tier= yet; there is tier=front");
    check(&labels(&["teir=front"]), "no container has the label teir=front yet; did you mean tier?");
    check(&labels(&["zone"]), "no container has the label zone yet");
}

/// Of one kind any will do, but all labels; different kinds narrow each other down.
#[test]
fn how_filters_add_up() {
    #[track_caller]
    fn check(filters: &Filters, passes: &[&str]) {
        let known = cluster();
        let wanted = known.iter().filter(|container| filters.container(container) == Verdict::Wanted);
        assert_eq!(wanted.map(|container| container.id.as_str()).collect::<Vec<_>>(), passes);
    }
    check(&pods(&["shop/web-0", "web-1"]), &["1111aaaa", "1111bbbb", "2222aaaa"]);
    check(&namespaces(&["test", "prod"]), &["3333aaaa"]);
    check(&labels(&["app=web", "tier"]), &["1111aaaa", "1111bbbb", "2222aaaa"]);
    check(&labels(&["app=other", "tier"]), &[]);
    let proxy = containers(&["proxy", "nginx"]);
    check(&Filters { pods: pods(&["web-0"]).pods, ..proxy.clone() }, &["1111bbbb"]);
    check(&Filters { labels: labels(&["app=other"]).labels, ..pods(&["web-0"]) }, &["3333aaaa"]);
    check(&Filters { namespaces: namespaces(&["shop"]).namespaces, ..proxy }, &["1111bbbb"]);
}

#[test]
fn what_nobody_described_is_undecided_unless_its_id_decides() {
    let nameless = ContainerName { id: WEB.to_owned(), ..ContainerName::default() };
    let filters = [containers(&["web"]), pods(&["web-0"]), namespaces(&["shop"]), labels(&["app"])];
    assert!(filters.iter().all(|filters| filters.container(&nameless) == Verdict::Undecided));
    assert_eq!(containers(&["abcd"]).container(&nameless), Verdict::Wanted);
    let by_both = Filters { pods: pods(&["web-0"]).pods, ..containers(&["abcd"]) };
    assert_eq!(by_both.container(&nameless), Verdict::Undecided);
    // a container of Docker is in no pod
    let named = called(WEB, "web");
    assert_eq!(filters.each_ref().map(|filters| filters.container(&named)), {
        use Verdict::{Unwanted, Wanted};
        [Wanted, Unwanted, Unwanted, Unwanted]
    });
    // the sandbox of a pod has no name of its own
    let sandbox = in_pod("shop", "web-0", nameless);
    assert_eq!(pods(&["web-0"]).container(&sandbox), Verdict::Wanted);
    assert_eq!(containers(&["app"]).container(&sandbox), Verdict::Unwanted);
}

/// A name that looks like an id is a name first, and an exact id before anything.
#[test]
fn the_better_fit_wins() {
    let filters = containers(&["abcd"]);
    let nameless = ContainerName { id: DB.to_owned(), ..ContainerName::default() };
    let meaning = |known: &[ContainerName]| filters.resolve(&refs(known)).remove(0).meaning;
    assert_eq!(meaning(&[called(WEB, "abcd"), nameless]), Meaning::One(WEB[..12].to_owned()));
    let twins = [called(WEB, "abcd"), called(DB, "abcd")];
    assert_eq!(meaning(&twins), Meaning::Several(vec![WEB[..12].to_owned(), DB[..12].to_owned()]));
    let service = compose("abcd", "abcd", 1, called(DB, "else"));
    assert_eq!(meaning(&[service, called(WEB, "abcd")]), Meaning::One(WEB[..12].to_owned()));
}

#[test]
fn no_filter_lets_everything_pass() {
    let filters = Filters::default();
    assert!(filters.is_empty() && filters.signal(Signal::TERM));
    assert!(cluster().iter().all(|container| filters.container(container) == Verdict::Wanted));
    let filters = Filters { signals: vec![Signal::TERM], ..filters };
    assert!(!filters.is_empty() && filters.is_everything());
    assert!(filters.signal(Signal::TERM) && !filters.signal(Signal::KILL));
    assert!(!pods(&["web-0"]).is_everything());
}

#[test]
fn what_pods_and_labels_look_like() {
    for wrong in ["", "/", "a/", "/a", "a/b/c"] {
        assert_eq!(wrong.parse::<PodFilter>(), Err(NoPod), "{wrong}");
    }
    for wrong in ["", "=", "==v", "=v", "k!=v", "!k", "k in (v", "k notin (v", "w)", "k in(v)", " k"] {
        assert_eq!(wrong.parse::<LabelFilter>(), Err(NoLabel), "{wrong}");
    }
    for right in ["k", "k=", "k=v", "k=v=w", "app.kubernetes.io/name=web"] {
        assert_eq!(right.parse::<LabelFilter>().map(|label| label.to_string()).as_deref(), Ok(right));
    }
    assert_eq!(labels(&["k==v"]), labels(&["k=v"]));
    assert_eq!(pods(&["web-2"]).resolve(&[])[0].finally(), "no pod is called web-2");
    let filters = Filters { labels: labels(&["app=web", "tier"]).labels, ..pods(&["web-0", "shop/web-1"]) };
    assert_eq!(filters.asked(), "pod web-0 or shop/web-1, label app=web and tier");
}

#[test]
fn endless_names_and_labels_take_no_time() {
    let name = "x".repeat(1 << 20);
    let known = vec![called(DB, &name); 100];
    assert!(containers(&["y".repeat(1 << 20).as_str()]).resolve(&refs(&known))[0].is_nothing());
    let labels_of =
        |container: usize| (0..512).map(move |label| (format!("{container}-{label}-{:0>120}", 0), name_of(label)));
    let known: Vec<_> = (0..200)
        .map(|n| ContainerName { labels: labels_of(n).collect::<BTreeMap<_, _>>(), ..called(WEB, "web") })
        .collect();
    let resolved = labels(&[&"z".repeat(120)]).resolve(&refs(&known));
    assert!(resolved[0].is_nothing());
    let known: Vec<_> =
        (0..500).map(|n| labelled(&[("app", &format!("value {n}\u{1b}"))], called(WEB, "web"))).collect();
    let told = labels(&["app=none"]).resolve(&refs(&known))[0].to_string();
    assert!(told.len() < 500 && told.ends_with("and 492 more") && !told.contains('\u{1b}'), "{told}");
}

fn name_of(label: usize) -> String {
    format!("value {label}")
}
