//! The typed client's calls as stories, told to our face and to a real Consul alike.

use std::time::Duration;

use baton_consul::client::{Changed, KvWrite, Read, Watch};
use baton_consul::wire::{
    Aggregate, Base64, CheckRegistration, KvOp, ServiceRegistration, SessionRequest, Status, Text, TxnOp,
};
use baton_consul::{Client, Config, Error};
use baton_model::Nanos;

use super::support::{Face, NODE, RealAgent, ask};

#[test]
fn our_face() {
    let face = Face::start();
    run(&face.url());
}

#[test]
fn our_face_over_a_server() {
    let face = Face::over_server();
    run(&face.url());
}

#[test]
fn a_real_agent() {
    if let Some(agent) = RealAgent::start() {
        run(&format!("http://{}", agent.address));
    }
}

/// Events are remembered only; what is written after them is written all the same.
#[test]
fn events_use_their_index_up() {
    let face = Face::over_server();
    for name in ["one", "two", "three"] {
        assert_eq!(ask(face.address, "PUT", &format!("/v1/event/fire/{name}"), "").status, 200, "{name}");
    }
    assert_eq!(ask(face.address, "PUT", "/v1/kv/after", "x").body, "true");
    let events = ask(face.address, "GET", "/v1/event/list", "");
    assert_eq!(events.json().as_array().map(Vec::len), Some(3));
    assert!(ask(face.address, "GET", "/v1/kv/after", "").index() > events.index());
}

fn run(address: &str) {
    let client = Client::new(&Config::new(address)).expect("the address is good");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        agent_and_health(&client).await.expect("agent and health");
        keys(&client).await.expect("keys");
        locks(&client).await.expect("locks");
        transactions(&client).await.expect("transactions");
        watching(&client).await.expect("watching");
    });
}

fn ttl(seconds: i64) -> CheckRegistration {
    CheckRegistration { ttl: Text(Nanos::secs(seconds)), ..CheckRegistration::default() }
}

/// A real agent syncs its services into the catalog a moment after registration.
async fn service_entries(client: &Client, name: &str, count: usize) -> Result<Vec<Aggregate>, Error> {
    let mut read = Read { wait: Duration::from_secs(5), ..Read::default() };
    for _ in 0..20 {
        let answer = client.health_service(name, &read).await?;
        if answer.data.len() == count {
            return Ok(answer.data.iter().map(baton_consul::wire::ServiceEntry::status).collect());
        }
        read.index = answer.index;
    }
    panic!("{name} never had {count} instances");
}

async fn agent_and_health(client: &Client) -> Result<(), Error> {
    let about = client.agent_self().await?;
    assert_eq!((about.config.node_name.as_str(), about.config.version.as_str()), (NODE, "1.8.7"));
    assert_eq!(client.catalog_datacenters().await?, [about.config.datacenter]);
    let web = ServiceRegistration {
        id: "web-1".into(),
        name: "web".into(),
        tags: vec!["traefik.enable=true".into()],
        address: "127.0.0.9".into(),
        port: 80,
        checks: vec![CheckRegistration { name: "alive".into(), ..ttl(60) }, ttl(60)],
        ..ServiceRegistration::default()
    };
    client.register_service(&web).await?;
    assert_eq!(service_entries(client, "web", 1).await?, [Aggregate::Critical]);
    assert_eq!(client.agent_services().await?["web-1"].tags, ["traefik.enable=true"]);
    client.update_check("service:web-1:1", Status::Passing, "fine").await?;
    client.note_check("service:web-1:2", Status::Warning, "slow").await?;
    let checks = client.agent_checks().await?;
    assert_eq!((checks["service:web-1:1"].status, checks["service:web-1:1"].name.as_str()), (Status::Passing, "alive"));
    assert_eq!(checks["service:web-1:2"].name, "Service 'web' check");

    let one = ServiceRegistration {
        check: Some(CheckRegistration { check_id: "only".into(), ..ttl(60) }),
        checks: vec![],
        ..web
    };
    client.register_service(&one).await?;
    let left: Vec<String> = client.agent_checks().await?.into_keys().collect();
    assert_eq!(left, ["only"], "checks that are not named any more go");

    assert_eq!(service_entries(client, "web", 1).await?.len(), 1);
    let read = Read::default().with("tag", "traefik.enable=true");
    assert_eq!(client.health_service("web", &read).await?.data[0].address(), "127.0.0.9");
    assert!(client.health_service("web", &Read::default().with("passing", "1")).await?.data.is_empty());
    let filtered = Read { filter: "ServicePort == 80 and \"b\" not in ServiceTags".into(), ..Read::default() };
    assert_eq!(client.catalog_service("web", &filtered).await?.data[0].service_id, "web-1");
    let bad = Read { filter: "Bogus == 1".into(), ..Read::default() };
    let error = client.catalog_service("web", &bad).await.unwrap_err().to_string();
    assert!(error.contains("Selector \"Bogus\" is not valid"), "{error}");
    assert!(client.catalog_services(&Read::default()).await?.data.contains_key("web"));
    assert!(client.catalog_node(NODE, &Read::default()).await?.data.expect("it exists").services.contains_key("web-1"));
    assert!(client.catalog_node("nobody", &Read::default()).await?.data.is_none());
    assert_eq!(client.catalog_nodes(&Read::default()).await?.data.len(), 1);
    assert!(client.health_state(None, &Read::default()).await?.data.iter().any(|check| check.check_id == "serfHealth"));
    assert_eq!(client.health_checks("web", &Read::default()).await?.data.len(), 1);
    assert_eq!(client.health_node(NODE, &Read::default()).await?.data.len(), 2);

    client.deregister_service("web-1").await?;
    client.deregister_service("web-1").await?;
    client.deregister_check("only").await?;
    service_entries(client, "web", 0).await?;
    Ok(())
}

async fn keys(client: &Client) -> Result<(), Error> {
    let any = Read::default();
    assert_eq!(client.kv_get("k/a b/ü", &any).await?.data, None);
    assert!(client.kv_put("k/a b/ü", "hello", &KvWrite { flags: 42, ..KvWrite::default() }).await?);
    let pair = client.kv_get("k/a b/ü", &any).await?.data.expect("just written");
    assert_eq!((pair.value, pair.flags, pair.key.as_str()), (Base64(b"hello".to_vec()), 42, "k/a b/ü"));
    let cas = |index| KvWrite { cas: Some(index), ..KvWrite::default() };
    assert!(!client.kv_put("k/a b/ü", "x", &cas(0)).await?);
    assert!(client.kv_put("k/a b/ü", "x", &cas(pair.modify_index)).await?);
    assert!(client.kv_put("k/z", "", &KvWrite::default()).await?);
    assert_eq!(client.kv_list("k/", &any).await?.data.len(), 2);
    assert_eq!(client.kv_keys("k/", "/", &any).await?.data, ["k/a b/", "k/z"]);
    assert_eq!(client.kv_keys("k/", "", &any).await?.data, ["k/a b/ü", "k/z"]);
    assert!(!client.kv_delete("k/z", Some(1)).await?);
    assert!(client.kv_delete("k/z", None).await?);
    assert!(client.kv_delete_tree("k/").await?);
    assert!(client.kv_list("k/", &any).await?.data.is_empty());
    Ok(())
}

async fn locks(client: &Client) -> Result<(), Error> {
    let request = SessionRequest {
        name: "story".into(),
        ttl: "10s".into(),
        lock_delay: Some(Text(Nanos::millis(1))),
        ..SessionRequest::default()
    };
    let first = client.session_create(&request).await?;
    let second = client.session_create(&request).await?;
    let acquire = |session: &String| KvWrite { acquire: Some(session.clone()), ..KvWrite::default() };
    assert!(client.kv_put("lock", "1", &acquire(&first)).await?);
    assert!(!client.kv_put("lock", "2", &acquire(&second)).await?);
    let renewed = client.session_renew(&first).await?.expect("it lives");
    assert_eq!((renewed.name.as_str(), renewed.ttl.as_str(), renewed.lock_delay.0), ("story", "10s", 1_000_000));
    let release = KvWrite { release: Some(first.clone()), ..KvWrite::default() };
    assert!(client.kv_put("lock", "1", &release).await?);
    assert!(client.kv_put("lock", "2", &acquire(&second)).await?);
    let pair = client.kv_get("lock", &Read::default()).await?.data.expect("it exists");
    assert_eq!((pair.session.as_str(), pair.lock_index), (second.as_str(), 2));
    client.session_destroy(&second).await?;
    let pair = client.kv_get("lock", &Read::default()).await?.data.expect("it stays");
    assert_eq!(pair.session, "");
    assert_eq!(client.session_renew(&second).await?, None);
    assert_eq!(client.session_info(&second, &Read::default()).await?.data, None);
    assert!(client.session_info(&first, &Read::default()).await?.data.is_some());
    let error = client.kv_put("lock", "3", &acquire(&second)).await.unwrap_err();
    assert_eq!(error.status(), Some(500), "{error}");
    assert!(error.to_string().contains("invalid session"), "{error}");
    client.session_destroy(&first).await
}

async fn transactions(client: &Client) -> Result<(), Error> {
    let op = |verb: &str, key: &str, index: u64| {
        let value = Base64(b"v".to_vec());
        TxnOp::kv(KvOp { verb: verb.into(), key: key.into(), value, index, ..KvOp::default() })
    };
    let done = client.txn(&[op("set", "t/1", 0), op("get", "t/1", 0), op("check-not-exists", "t/2", 0)]).await?;
    let results = done.results.expect("it succeeds");
    assert_eq!(results.len(), 2);
    assert_eq!(results[1].kv.as_ref().map(|pair| pair.value.0.as_slice()), Some(&b"v"[..]));
    let refused = client.txn(&[op("set", "t/3", 0), op("cas", "t/1", 1), op("get", "t/9", 0)]).await?;
    assert_eq!(refused.results, None);
    let what: Vec<String> = refused.errors.expect("it fails").into_iter().map(|error| error.what).collect();
    assert_eq!(what, ["failed to set key \"t/1\", index is stale", "key \"t/9\" doesn't exist"]);
    assert_eq!(client.kv_get("t/3", &Read::default()).await?.data, None, "nothing of it happened");
    Ok(())
}

async fn watching(client: &Client) -> Result<(), Error> {
    let reader = client.clone();
    let mut watch = Watch::new(move |read| {
        let client = reader.clone();
        async move { Ok(client.kv_list("w/", &read).await?.map(|pairs| pairs.len())) }
    });
    let mut expect = async |count: usize| {
        let changed = tokio::time::timeout(Duration::from_secs(10), watch.next()).await.expect("a change in time");
        assert!(matches!(changed, Changed::To(seen) if seen == count), "{changed:?} instead of {count}");
    };
    expect(0).await;
    client.kv_put("w/1", "x", &KvWrite::default()).await?;
    expect(1).await;
    client.kv_put("w/2", "x", &KvWrite::default()).await?;
    expect(2).await;
    client.kv_delete("w/1", None).await?;
    expect(1).await;
    Ok(())
}
