//! py-consul against our face.

use std::process::Command;

use baton_testkit::peers;

use super::support::Face;

const STORY: &str = r#"
import sys, consul
c = consul.Consul(host="127.0.0.1", port=int(sys.argv[1]))
assert c.agent.self()["Config"]["Datacenter"] == "dc1"
assert c.agent.members()[0]["Status"] == 1
assert c.agent.service.register("web", service_id="web-1", port=80, tags=["v1"],
    check=consul.Check.ttl("1h")) is True
assert c.agent.check.ttl_pass("service:web-1") is True
index, nodes = c.health.service("web", passing=True)
assert nodes[0]["Service"]["Port"] == 80 and int(index) > 0
assert c.catalog.services()[1]["web"] == ["v1"]
assert c.catalog.nodes()[1][0]["Node"] == "test-1"
assert c.kv.put("a/b", "hello", flags=7) is True
index, data = c.kv.get("a/b")
assert data["Value"] == b"hello" and data["Flags"] == 7
assert c.kv.get("none")[1] is None
assert c.kv.get("a/", keys=True)[1] == ["a/b"]
session = c.session.create(name="s", ttl=10, lock_delay=0)
assert c.kv.put("lock", "x", acquire=session) is True
assert c.kv.get("lock")[1]["Session"] == session
assert c.session.renew(session)["ID"] == session
assert c.kv.put("lock", "x", release=session) is True
assert c.session.destroy(session) is True
assert c.txn.put([{"KV": {"Verb": "set", "Key": "t", "Value": "aGk="}}])["Errors"] is None
assert c.kv.delete("a/", recurse=True) is True
assert c.agent.service.deregister("web-1") is True
assert c.health.service("web")[1] == []
assert c.status.leader() != ""
print("done")
"#;

#[test]
fn the_story() {
    let Some(modules) = peers::python("consul") else { return };
    let face = Face::start();
    let output = Command::new("python3")
        .args(["-c", STORY, &face.address.port().to_string()])
        .env("PYTHONPATH", modules)
        .output()
        .expect("python starts");
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && text.contains("done"), "{text}");
}
