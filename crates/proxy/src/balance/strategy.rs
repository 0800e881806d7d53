//! How a balancer chooses among the servers that are fit.

use super::least_time::LeastTime;
use super::rendezvous;
use super::{Rotation, Server};
use baton_routing::config;
use std::sync::Arc;

/// A way to choose.
#[derive(Debug)]
pub(super) enum Strategy {
    /// Each in turn, by weight.
    Turns(Rotation),
    /// The less busy of two taken at random; weights have no say.
    TwoChoices,
    /// The client's own, by these weights.
    Rendezvous(Vec<u32>),
    /// The one that has answered soonest of late.
    LeastTime(LeastTime),
}

impl Strategy {
    /// The strategy `kind` for servers of these weights, none of them 0.
    pub(super) fn new(kind: config::Strategy, weights: &[u32]) -> Self {
        match kind {
            config::Strategy::Wrr => Self::Turns(Rotation::new(weights)),
            config::Strategy::P2c => Self::TwoChoices,
            config::Strategy::Hrw => Self::Rendezvous(weights.to_vec()),
            config::Strategy::LeastTime => Self::LeastTime(LeastTime::new(weights)),
        }
    }

    /// The next server for `client` that `fit` accepts.
    pub(super) fn next(&self, servers: &[Arc<Server>], client: &str, fit: impl Fn(usize) -> bool) -> Option<usize> {
        match self {
            Self::Turns(rotation) => rotation.next(fit),
            Self::TwoChoices => two_choices(servers, fit),
            Self::Rendezvous(weights) => (0..servers.len()).filter(|index| fit(*index)).max_by(|one, other| {
                let score = |index: usize| rendezvous::score(&servers[index].url, weights[index], client);
                score(*one).total_cmp(&score(*other))
            }),
            Self::LeastTime(times) => times.next(servers, fit),
        }
    }
}

fn two_choices(servers: &[Arc<Server>], fit: impl Fn(usize) -> bool) -> Option<usize> {
    let candidates = || (0..servers.len()).filter(|index| fit(*index));
    let count = candidates().count();
    if count < 2 {
        return candidates().next();
    }
    let one = rand::random_range(0..count);
    let other = (one + rand::random_range(1..count)) % count;
    // Health may have changed since the count.
    let one = candidates().nth(one).or_else(|| candidates().next())?;
    let other = candidates().nth(other).unwrap_or(one);
    Some(if servers[other].in_flight() < servers[one].in_flight() { other } else { one })
}

#[cfg(test)]
mod tests {
    use super::super::InFlight;
    use super::*;
    use crate::upstream::Transport;

    fn servers(count: usize) -> Vec<Arc<Server>> {
        let transport = Arc::new(Transport::new(&config::ServersTransport::default(), true));
        let server = |index| {
            let url = format!("http://127.0.0.1:{}", 8000 + index);
            let server = config::Server { url, ..config::Server::default() };
            Arc::new(Server::new(&server, transport.clone()).unwrap())
        };
        (0..count).map(server).collect()
    }

    #[test]
    fn of_two_the_less_busy_one_is_taken() {
        let servers = servers(2);
        let strategy = Strategy::new(config::Strategy::P2c, &[1, 1]);
        let _busy = InFlight::at(&servers[0]);
        assert!((0..50).all(|_| strategy.next(&servers, "", |_| true) == Some(1)));
        assert!((0..50).all(|_| strategy.next(&servers, "", |index| index == 0) == Some(0)));
        assert_eq!(strategy.next(&servers, "", |_| false), None);
    }

    #[test]
    fn equally_busy_servers_share() {
        let servers = servers(3);
        let strategy = Strategy::new(config::Strategy::P2c, &[1, 1, 1]);
        let mut counts = [0; 3];
        for _ in 0..3000 {
            counts[strategy.next(&servers, "", |_| true).unwrap()] += 1;
        }
        assert!(counts.iter().all(|count| (800..1200).contains(count)), "{counts:?}");
    }

    #[test]
    fn a_client_keeps_its_server_and_weights_count() {
        let servers = servers(3);
        let strategy = Strategy::new(config::Strategy::Hrw, &[1, 1, 2]);
        let all: Vec<_> = (0..1000).map(|client| strategy.next(&servers, &client.to_string(), |_| true)).collect();
        let share = |index| all.iter().filter(|chosen| **chosen == Some(index)).count();
        assert!((200..300).contains(&share(0)) && (440..560).contains(&share(2)), "{} {}", share(0), share(2));
        let rest = (0..1000).map(|client| strategy.next(&servers, &client.to_string(), |index| index != 1));
        assert!(all.iter().zip(rest).all(|(before, after)| *before == after || *before == Some(1)));
    }
}
