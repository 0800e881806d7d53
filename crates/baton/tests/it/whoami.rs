//! The tiny backend.

use std::time::Duration;

use baton_testkit::{Process, eventually, free_port};

use crate::baton;

#[test]
fn answers_and_toggles_its_health() {
    let port = free_port();
    let address = format!("127.0.0.1:{port}");
    let _whoami =
        Process::start(baton().args(["whoami", "-listen", &address, "--name", "me"]).env("NOMAD_ALLOC_ID", "abc"));
    let text = eventually("an answer", Duration::from_secs(10), || curl(&[&format!("http://{address}/path?q=1")]));
    for part in ["Name: me", "Allocation: abc", "GET /path?q=1", "RemoteAddr: 127.0.0.1"] {
        assert!(text.contains(part), "{part:?} in {text}");
    }
    let health = || curl(&["-o", "/dev/null", "-w", "%{http_code}", &format!("http://{address}/health")]).unwrap();
    assert_eq!(health(), "200");
    curl(&["-d", "503", &format!("http://{address}/health")]).unwrap();
    assert_eq!(health(), "503");
    let refused = curl(&["-d", "nonsense", &format!("http://{address}/health")]).unwrap();
    assert!(refused.contains("status code"), "{refused}");
    assert_eq!(health(), "503");
}

#[test]
fn holds_the_end_of_an_answer() {
    let address = format!("127.0.0.1:{}", free_port());
    let _whoami = Process::start(baton().args(["whoami", "-listen", &address]));
    let ask = |query: &str| curl(&[&format!("http://{address}/?{query}")]);
    let text = eventually("an answer", Duration::from_secs(10), || ask("hold=10ms"));
    assert!(text.starts_with("Name: ") && text.ends_with("Held: 10ms\n"), "{text}");
    let bad = ask("hold=soon").unwrap();
    assert!(bad.starts_with("hold: "), "{bad}");
}

fn curl(args: &[&str]) -> Result<String, String> {
    let output = std::process::Command::new("curl").args(["-sS", "--max-time", "5"]).args(args).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() { Ok(text) } else { Err(String::from_utf8_lossy(&output.stderr).into_owned()) }
}
