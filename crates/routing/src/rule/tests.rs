use std::net::IpAddr;

use super::{Pattern, Request, Rule};

/// A request for tests.
#[derive(Debug, Clone)]
pub(crate) struct Ask {
    pub(crate) host: String,
    pub(crate) path: String,
    pub(crate) method: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) query: String,
    pub(crate) ip: IpAddr,
}

impl Ask {
    pub(crate) fn new(host: &str, path: &str) -> Self {
        Self {
            host: host.to_owned(),
            path: path.to_owned(),
            method: "GET".to_owned(),
            headers: Vec::new(),
            query: String::new(),
            ip: IpAddr::from([127, 0, 0, 1]),
        }
    }
}

impl Request for Ask {
    fn host(&self) -> &str {
        &self.host
    }

    fn path(&self) -> &str {
        &self.path
    }

    fn method(&self) -> &str {
        &self.method
    }

    fn headers<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a [u8]> {
        self.headers.iter().filter(move |(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_bytes())
    }

    fn query(&self) -> &str {
        &self.query
    }

    fn client_ip(&self) -> IpAddr {
        self.ip
    }
}

#[test]
fn wildcard_host_is_exactly_one_label() {
    let rule = Rule::Host("*.wild.test".to_owned());
    let hosts = ["a.wild.test", "a.b.wild.test", "wild.test", ".wild.test", "xwild.test"];
    assert_eq!(hosts.map(|h| rule.matches(&Ask::new(h, "/"))), [true, false, false, false, false]);
    assert!(Rule::Host("*".to_owned()).matches(&Ask::new("any.where", "/")));
}

#[test]
fn query_compares_decoded_values() {
    let mut ask = Ask::new("q.test", "/");
    ask.query = "k=x&k=v%20w&flag&n=1%2b2&bad=%zz&a+b=c".to_owned();
    let holds = |name: &str, value: &str| Rule::Query(name.to_owned(), value.to_owned()).matches(&ask);
    assert!(holds("k", "x") && holds("k", "v w") && holds("flag", "") && holds("n", "1+2"));
    assert!(holds("bad", "%zz") && holds("a b", "c"));
    assert!(!holds("k", "v%20w") && !holds("flag", "1") && !holds("missing", ""));
    assert!(Rule::QueryRegexp("n".to_owned(), Pattern::new(r"^\d\+\d$").unwrap()).matches(&ask));
}

#[test]
fn client_ip_of_a_dual_stack_socket_counts_as_ipv4() {
    let mut ask = Ask::new("x", "/");
    ask.ip = "::ffff:10.1.2.3".parse().unwrap();
    assert!(Rule::ClientIp("10.0.0.0/8".parse().unwrap()).matches(&ask));
    assert!(!Rule::ClientIp("10.2.0.0/16".parse().unwrap()).matches(&ask));
}

#[test]
fn hosts_are_collected_everywhere_but_regexps() {
    let host = |h: &str| Rule::Host(h.to_owned());
    let rule = Rule::And(vec![
        Rule::Or(vec![host("a.test"), host("*.b.test"), host("*")]),
        Rule::Not(Box::new(host("c.test"))),
        Rule::HostRegexp(Pattern::new("d").unwrap()),
        host("a.test"),
    ]);
    assert_eq!(rule.hosts(), ["a.test", "*.b.test", "c.test"]);
}

#[test]
fn pattern_knows_its_ending() {
    let ending = |text: &str| Pattern::new(text).unwrap().ending();
    assert_eq!(ending(r"^[a-z]+\.t18s\.fr$").as_deref(), Some(".t18s.fr"));
    assert_eq!(ending(r"^.+\.t18s\.fr"), None);
    assert_eq!(ending(r"^a$|^b$"), None);
    assert_eq!(ending(r"x\.y$\n?"), None);
    assert_eq!(ending(r"(?m)^[a-z]+\.x\.y$"), None);
    assert_eq!(ending(r"(?i)^[a-z]+\.x\.y$"), None);
}

#[test]
fn patterns_are_bounded() {
    assert!(Pattern::new(r"(a{1000}){1000}").unwrap_err().contains("bytes"));
    assert!(Pattern::new(r"(").unwrap_err().starts_with("\"(\" is not a regular expression"));
}
