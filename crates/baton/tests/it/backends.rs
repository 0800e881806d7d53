//! What may stand behind the proxies, and what may not.

use baton_testkit::eventually;
use serde_json::json;

use crate::world::{EDGE, LIMIT, WEB, World, curl};

#[test]
fn a_tag_in_the_catalog_does_not_open_the_agents_api() {
    let world = World::start(&[EDGE]);
    world.await_running("edge", 2);
    for (name, own) in [("api", &world.api), ("catalog", &world.catalog)] {
        let tags = [
            "traefik.enable=true".to_owned(),
            format!("traefik.http.routers.{name}.rule=Host(`{name}.test`)"),
            format!("traefik.http.routers.{name}.entrypoints=web"),
            format!("traefik.http.services.{name}.loadbalancer.server.url=http://{own}"),
        ];
        let service = json!({ "ID": name, "Name": name, "Address": "127.0.0.1", "Port": 1, "Tags": tags });
        let url = format!("http://{}/v1/agent/service/register", world.catalog);
        curl(&["-f", "-X", "PUT", "-d", &service.to_string(), &url]).unwrap();
        for node in [11, 12] {
            let url = format!("http://{}/v1/agent/self", world.socket(node, WEB));
            let host = format!("Host: {name}.test");
            eventually("a refusal by the proxy", LIMIT, || {
                let status = curl(&["-o", "/dev/null", "-w", "%{http_code}", "-H", &host, &url])?;
                assert_ne!(status, "200", "the {name} answers through the proxy");
                if status == "502" { Ok(()) } else { Err(status) }
            });
        }
    }
}
