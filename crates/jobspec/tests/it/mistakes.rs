//! What an administrator reads about a slip: each at its place, all at once, with what to do.

use baton_jobspec::Inputs;

use crate::{messages, read, read_with};

const JOB: &str = r#"job "web" {
  datacenters = ["dc1"]
  group "g" {
    count = 2
    network {
      port "http" {
        to = 8080
      }
    }
    service {
      name = "web"
      port = "http"
      check {
        type     = "http"
        path     = "/"
        interval = "10s"
        timeout  = "2s"
      }
    }
    task "t" {
      driver = "raw_exec"
      config {
        command = "/bin/x"
      }
      template {
        data        = <<EOF
listen {{ env "NOMAD_PORT_http" }}
EOF
        destination = "local/x.conf"
      }
      resources {
        memory = 64
      }
    }
  }
}
"#;

/// The job with some parts replaced.
fn with(changes: &[(&str, &str)]) -> String {
    changes.iter().fold(JOB.to_owned(), |text, (from, to)| {
        assert!(text.contains(from), "{from}");
        text.replacen(from, to, 1)
    })
}

#[test]
fn each_has_its_place_and_a_way_out() {
    for (from, to, place, expected) in [
        ("network {", "network = {", "6:12:", "(if network is a block, write it without \"=\": network { … })"),
        ("config {", "config = {", "22:7:", "(config is a block here: write config { … } without \"=\")"),
        ("task \"t\" {", "task \"${var.x}\" {", "20:10:", "Template sequences are not allowed in this string"),
        ("<<EOF", "<< EOF", "26:23:", "The marker of a heredoc stands directly behind <<"),
        ("<<EOF", "<<END", "26:23:", "a line with END alone is missing"),
        ("count = 2", "count: 2", "4:10:", "use the equals sign"),
        ("count = 2", "cuont = 2", "4:5:", "(Did you mean \"count\"?)"),
        ("\"10s\"", "\"10\"", "16:20:", "(add a unit, such as \"10s\")"),
        ("\"10s\"", "\"1d\"", "16:20:", "(there is no unit for days; write \"24h\")"),
        ("[\"dc1\"]", "\"dc1\"", "2:17:", "(write the value in brackets: [\"…\"])"),
        ("\"raw_exec\"", "raw_exec\"", "21:24:", "(is a closing quote missing on this line?)"),
        ("\"/bin/x\"", "'/bin/x'", "23:19:", "Use double quotes (\") to enclose strings."),
        ("\"/bin/x\"", "\"C:\\bin\"", "23:22:", "(write two backslashes for a literal one: \"\\\\b\")"),
        ("\"/bin/x\"", "\"${HOME:-/root}\"", "23:26:", "(write $${ for a literal ${)"),
        ("job \"web\" {", "Job \"web\" {", "1:1:", "(Did you mean \"job\"?)"),
        ("count = 2", "count = 2\n    consul_token = \"x\"", "5:5:", "Unsupported argument"),
        (
            "[\"dc1\"]",
            "[\"dc1\"]\n  vault_token = \"x\"",
            "3:3:",
            "vault_token is not supported; there is no Vault here",
        ),
    ] {
        let Err(found) = read(&with(&[(from, to)])) else { panic!("{to}: accepted") };
        let texts = messages(&found);
        assert!(texts.contains(&format!("test.nomad:{place}")) && texts.contains(expected), "{to}:\n{texts}");
    }
}

/// Mistakes of reading and of the rules are told together; what only follows from a mistake is not.
#[test]
fn all_are_told_at_once() {
    let several = [("count = 2", "count = \"x\""), ("interval", "intervall"), ("memory = 64", "memory = 1")];
    let typed = [("datacenters", "type = \"service\"\n  datacentres"), ("memory = 64", "memory = 1")];
    for (changes, expected) in [
        (&several[..], &[(4, "Unsuitable value type"), (16, "Unsupported argument"), (32, "minimum MemoryMB")][..]),
        (&typed, &[(3, "Unsupported argument"), (33, "minimum MemoryMB value is 10; got 1")]),
        (&[("port \"http\"", "port \"http\" \"x\"")], &[(6, "Extraneous label for port")]),
        (&[("task \"t\"", "tsk \"t\"")], &[(20, "Unsupported block type")]),
        (&[("datacenters", "typ = \"batch\"\n  datacenters")], &[(2, "Unsupported argument")]),
    ] {
        let found = read(&with(changes)).expect_err("wrong");
        let told: Vec<usize> = found.iter().map(|finding| finding.line).collect();
        assert_eq!(told, expected.iter().map(|(line, _)| *line).collect::<Vec<_>>(), "{}", messages(&found));
        assert!(found.iter().zip(expected).all(|(finding, (_, text))| finding.summary.starts_with(text)));
    }
}

/// Words without quotes and misspelt roots stay texts, as in Nomad; Baton says so.
#[test]
fn slips_that_nomad_takes_are_warned_of() {
    for (from, to, expected) in [
        ("port = \"http\"", "port = http", "12:14: http refers to nothing that is known here"),
        ("\"/bin/x\"", "\"${vra.x}\"", "23:22: vra.x refers to nothing that is known here"),
        ("port = \"http\"", "port = \"htp\"", "12:14: port label \"htp\" is not defined in this group's networks"),
    ] {
        let found = read(&with(&[(from, to)])).unwrap().warnings();
        assert!(messages(&found).contains(&format!("test.nomad:{expected}")), "{to}:\n{}", messages(&found));
    }
    let known = "\"${attr.kernel.name}${meta.x}${node.class}${env[\"X\"]}${HOME}${NOMAD_ALLOC_ID}\"";
    let found = read(&with(&[("\"/bin/x\"", known)])).unwrap().warnings();
    assert!(!messages(&found).contains("refers to nothing"), "{}", messages(&found));
}

/// A value from outside is a constant: a word without quotes is no text.
#[test]
fn values_from_outside_are_constants() {
    let text = format!("variable \"tags\" {{\n  type = list(string)\n  default = []\n}}\n{JOB}");
    let given = |value: &str| {
        let given = vec![("tags".to_owned(), value.to_owned())];
        read_with(&text, Inputs { given, strict: true, ..Inputs::default() })
    };
    assert!(given("[\"a\"]").is_ok());
    let found = messages(&given("[a]").expect_err("not a constant"));
    assert!(found.contains("1:2: Variables not allowed") && found.contains("write \"a\" in quotes"), "{found}");
    let found = messages(&read(&text.replace("default = []", "default = [var.x]")).expect_err("not a constant"));
    assert!(found.contains("test.nomad:3:14: Variables not allowed"), "{found}");
}
