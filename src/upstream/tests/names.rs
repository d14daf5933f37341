//! Names of targets, with a name server of the test's own.

use super::*;

/// What the name server says, and how often it was asked.
#[derive(Default)]
struct NameServer {
    says: Mutex<Option<Vec<IpAddr>>>,
    asked: AtomicUsize,
}

impl NameServer {
    fn say(&self, addresses: &[&str]) {
        *self.says.lock() = Some(addresses.iter().map(|a| a.parse().unwrap()).collect());
    }

    fn look_up(
        self: &Arc<Self>,
    ) -> impl Fn(Name) -> std::future::Ready<io::Result<Vec<IpAddr>>> + use<> {
        let server = Arc::clone(self);
        move |_| {
            server.asked.fetch_add(1, Ordering::SeqCst);
            let said = server.says.lock().clone();
            std::future::ready(said.ok_or_else(|| io::Error::other("no such name")))
        }
    }
}

fn keep<L, F>(config: &Config, look_up: L) -> (Arc<ArcSwap<TargetGroups>>, watch::Sender<bool>)
where
    L: Fn(Name) -> F + Send + Sync + 'static,
    F: Future<Output = io::Result<Vec<IpAddr>>> + Send + 'static,
{
    let current = Arc::new(ArcSwap::from_pointee(TargetGroups::compile(config, None)));
    let (shutdown, stop) = watch::channel(false);
    let groups = Arc::clone(&current);
    tokio::spawn(async move {
        crate::upstream::resolve::keep_resolved(&move || groups.load_full(), look_up, stop).await;
    });
    (current, shutdown)
}

fn addresses(groups: &TargetGroups) -> Vec<String> {
    let described = describe(groups).into_iter();
    described.filter_map(|target| target.address).map(|address| address.to_string()).collect()
}

async fn until(current: &ArcSwap<TargetGroups>, wanted: &[&str]) {
    let mut changes = current.load().changes();
    let reached = async {
        while addresses(&current.load()) != wanted {
            changes.changed().await.unwrap();
        }
    };
    let in_time = tokio::time::timeout(PATIENCE, reached).await;
    assert!(in_time.is_ok(), "wanted {wanted:?}, have {:?}", addresses(&current.load()));
}

const NAMED: &str = "{ targets: [\"orders.internal:8080\"] }";

#[tokio::test]
async fn every_address_of_a_name_is_a_target() {
    let server = Arc::new(NameServer::default());
    server.say(&["10.0.0.2", "10.0.0.1", "10.0.0.2"]);
    let (current, _shutdown) = keep(&config(NAMED), server.look_up());
    assert_eq!(current.load().choose(GROUP, &Tried::default()).map(drop), Err(NoTarget::Absent));
    assert_eq!(describe(&current.load())[0].reason, Some(Reason::RegistrationInProgress));
    until(&current, &["10.0.0.1:8080", "10.0.0.2:8080"]).await;
}

#[tokio::test]
async fn the_last_good_addresses_outlive_failures_and_reloads() {
    let server = Arc::new(NameServer::default());
    server.say(&["10.0.0.1"]);
    let (current, _shutdown) = keep(&config(NAMED), server.look_up());
    until(&current, &["10.0.0.1:8080"]).await;
    *server.says.lock() = None;
    let mut other = config(NAMED);
    other.target_groups[0].timeouts.response = Duration::from_secs(1);
    let old = current.load_full();
    current.store(Arc::new(TargetGroups::compile(&other, Some(&old))));
    assert_eq!(addresses(&current.load()), ["10.0.0.1:8080"]);
}

#[test]
fn a_changed_address_leaves_the_others_as_they_are() {
    let config = config(NAMED);
    let groups = TargetGroups::compile(&config, None);
    let resolve = |addresses: &[&str]| {
        let parsed = addresses.iter().map(|a| a.parse().unwrap()).collect();
        groups.shared.names.lock().insert("orders.internal".into(), parsed);
        groups.readdress("orders.internal");
    };
    resolve(&["10.0.0.1", "10.0.0.2"]);
    let _one = groups.choose(GROUP, &Tried::default()).unwrap();
    let two = groups.choose(GROUP, &Tried::default()).unwrap();
    assert_eq!(two.address().ip().to_string(), "10.0.0.2");
    resolve(&["10.0.0.2", "10.0.0.3"]);
    let described = describe(&groups);
    let in_flight: Vec<u32> = described.iter().map(|target| target.in_flight).collect();
    // The last one has left the answer, and ends what it is doing.
    assert_eq!(addresses(&groups), ["10.0.0.2:8080", "10.0.0.3:8080", "10.0.0.1:8080"]);
    assert_eq!(in_flight, [1, 0, 1]);
    assert_eq!(described[2].state, HealthState::Draining);
    for _ in 0..10 {
        let chosen = groups.choose(GROUP, &Tried::default()).unwrap();
        assert_ne!(chosen.address().ip().to_string(), "10.0.0.1");
    }
    resolve(&["10.0.0.1", "10.0.0.2"]);
    assert_eq!(describe(&groups)[0].in_flight, 1, "it comes back as what it was");
}

#[test]
fn every_address_of_a_name_has_the_weight_of_its_target() {
    let group = "{ targets: [{ address: \"orders.internal:8080\", weight: 2 }, 10.0.0.9:8080], \
        health_check: { enabled: false } }";
    let groups = TargetGroups::compile(&config(group), None);
    let addresses = ["10.0.0.1", "10.0.0.2", "10.0.0.3"];
    let parsed = addresses.iter().map(|a| a.parse().unwrap()).collect();
    groups.shared.names.lock().insert("orders.internal".into(), parsed);
    groups.readdress("orders.internal");
    let mut shares: BTreeMap<String, usize> = BTreeMap::new();
    for _ in 0..70 {
        let chosen = groups.choose(GROUP, &Tried::default()).unwrap();
        *shares.entry(chosen.address().ip().to_string()).or_default() += 1;
    }
    assert_eq!(shares.remove("10.0.0.9"), Some(10));
    assert_eq!(shares.into_values().collect::<Vec<_>>(), [20, 20, 20]);
}

#[tokio::test]
async fn a_name_server_that_hangs_is_asked_once_and_holds_up_nobody() {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let look_up = move |name: Name| {
        let hangs = &*name == "slow.internal";
        if hangs {
            count.fetch_add(1, Ordering::SeqCst);
        }
        async move {
            if hangs {
                std::future::pending::<()>().await;
            }
            Ok(vec!["10.0.0.1".parse().unwrap()])
        }
    };
    let both = "{ targets: [\"slow.internal:80\", \"orders.internal:8080\"] }";
    let (current, _shutdown) = keep(&config(both), look_up);
    until(&current, &["10.0.0.1:8080"]).await;
    assert_eq!(asked.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn new_names_have_addresses_before_their_first_request() {
    let groups = TargetGroups::compile(&config(NAMED), None);
    let server = Arc::new(NameServer::default());
    crate::upstream::resolve::resolve_new(&groups, server.look_up()).await;
    assert!(addresses(&groups).is_empty());
    server.say(&["10.0.0.7"]);
    crate::upstream::resolve::resolve_new(&groups, server.look_up()).await;
    assert_eq!(addresses(&groups), ["10.0.0.7:8080"]);
    // What is known is not asked again.
    crate::upstream::resolve::resolve_new(&groups, server.look_up()).await;
    assert_eq!(server.asked.load(Ordering::SeqCst), 2);
}
