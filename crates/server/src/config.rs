//! What the agent's configuration says about the server.

use std::time::Duration;

#[derive(Clone, Debug)]
pub struct Config {
    pub region: String,
    pub datacenter: String,
    /// Name of this server, shown by `server members`.
    pub name: String,
    pub heartbeat: Heartbeat,
    pub gc: GcThresholds,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            region: "global".to_owned(),
            datacenter: "dc1".to_owned(),
            name: "baton".to_owned(),
            heartbeat: Heartbeat::default(),
            gc: GcThresholds::default(),
        }
    }
}

/// How long a node may be silent.
#[derive(Clone, Copy, Debug)]
pub struct Heartbeat {
    /// Least time granted; a random part of up to the same length is added so that nodes do not beat in step.
    pub ttl: Duration,
    /// Added on top before the node counts as down.
    pub grace: Duration,
    /// Granted to every node after the server's own start.
    pub after_start: Duration,
}

impl Default for Heartbeat {
    fn default() -> Self {
        Self { ttl: Duration::from_secs(10), grace: Duration::from_secs(10), after_start: Duration::from_secs(300) }
    }
}

impl Heartbeat {
    /// For nodes on the same machine.
    pub fn short() -> Self {
        Self { ttl: Duration::from_secs(2), grace: Duration::from_secs(1), after_start: Duration::from_secs(10) }
    }
}

/// Age after which something finished is forgotten.
#[derive(Clone, Copy, Debug)]
pub struct GcThresholds {
    pub interval: Duration,
    pub eval: Duration,
    pub batch_eval: Duration,
    pub job: Duration,
    pub deployment: Duration,
    pub node: Duration,
}

impl Default for GcThresholds {
    fn default() -> Self {
        const HOUR: Duration = Duration::from_secs(3600);
        Self {
            interval: Duration::from_secs(300),
            eval: HOUR,
            batch_eval: HOUR * 24,
            job: HOUR * 4,
            deployment: HOUR,
            node: HOUR * 24,
        }
    }
}

impl GcThresholds {
    /// Everything finished goes at once (`system gc`).
    pub fn everything() -> Self {
        Self {
            interval: Duration::ZERO,
            eval: Duration::ZERO,
            batch_eval: Duration::ZERO,
            job: Duration::ZERO,
            deployment: Duration::ZERO,
            node: Duration::ZERO,
        }
    }
}
