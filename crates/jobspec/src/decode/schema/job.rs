//! Jobs, groups and their policies.

use super::Inside::{Rules, TextMap, TextMapOrArgument};
use super::Kind::{Bool, Byte, Duration, Refused, Text, Texts, Whole};
use super::service::{NETWORK, SERVICE};
use super::task::{CONSUL, RESTART, SCALING, SECRET, TASK, VAULT};
use super::{BlockRule, Schema, Times, arg, labelled, many, once};

pub(crate) static JOB: Schema = Schema {
    arguments: &[
        arg("id", "ID", Text),
        arg("name", "Name", Text),
        arg("region", "Region", Text),
        arg("namespace", "Namespace", Text),
        arg("type", "Type", Text),
        arg("priority", "Priority", Whole),
        arg("all_at_once", "AllAtOnce", Bool),
        arg("datacenters", "Datacenters", Texts),
        arg("node_pool", "NodePool", Text),
        arg("consul_token", "ConsulToken", Refused("tokens do not belong into job files; remove the argument")),
        arg("vault_token", "VaultToken", Refused("there is no Vault here; remove the argument")),
    ],
    blocks: &[
        many("constraint", "Constraints", &CONSTRAINT),
        many("affinity", "Affinities", &AFFINITY),
        many("spread", "Spreads", &SPREAD),
        labelled("group", "TaskGroups", &GROUP, "Name"),
        labelled("task", "Tasks", &TASK, "Name"),
        once("update", "Update", Rules(&UPDATE)),
        once("periodic", "Periodic", Rules(&PERIODIC)),
        once("parameterized", "ParameterizedJob", Rules(&PARAMETERIZED)),
        once("reschedule", "Reschedule", Rules(&RESCHEDULE)),
        once("migrate", "Migrate", Rules(&MIGRATE)),
        once("multiregion", "Multiregion", Rules(&MULTIREGION)),
        once("meta", "Meta", TextMapOrArgument),
        once("ui", "UI", Rules(&UI)),
        once("vault", "Vault", Rules(&VAULT)),
        labelled("secret", "Secrets", &SECRET, "Name"),
    ],
};

pub(super) static GROUP: Schema = Schema {
    arguments: &[
        arg("count", "Count", Whole),
        arg("shutdown_delay", "ShutdownDelay", Duration),
        arg("max_run_duration", "MaxRunDuration", Duration),
        arg("stop_after_client_disconnect", "StopAfterClientDisconnect", Duration),
        arg("max_client_disconnect", "MaxClientDisconnect", Duration),
        arg("prevent_reschedule_on_lost", "PreventRescheduleOnLost", Bool),
    ],
    blocks: &[
        many("constraint", "Constraints", &CONSTRAINT),
        many("affinity", "Affinities", &AFFINITY),
        many("spread", "Spreads", &SPREAD),
        labelled("task", "Tasks", &TASK, "Name"),
        BlockRule {
            name: "volume",
            field: "Volumes",
            inside: Rules(&VOLUME),
            times: Times::ByLabel,
            label: Some("Name"),
        },
        once("restart", "RestartPolicy", Rules(&RESTART)),
        once("disconnect", "Disconnect", Rules(&DISCONNECT)),
        once("reschedule", "ReschedulePolicy", Rules(&RESCHEDULE)),
        once("ephemeral_disk", "EphemeralDisk", Rules(&EPHEMERAL_DISK)),
        once("update", "Update", Rules(&UPDATE)),
        once("migrate", "Migrate", Rules(&MIGRATE)),
        many("network", "Networks", &NETWORK),
        once("meta", "Meta", TextMapOrArgument),
        many("service", "Services", &SERVICE),
        once("scaling", "Scaling", Rules(&SCALING)),
        once("consul", "Consul", Rules(&CONSUL)),
        once("vault", "Vault", Rules(&VAULT)),
    ],
};

pub(super) static SPREAD: Schema = Schema {
    arguments: &[arg("attribute", "Attribute", Text), arg("weight", "Weight", Whole)],
    blocks: &[labelled("target", "SpreadTarget", &SPREAD_TARGET, "Value")],
};

pub(super) static SPREAD_TARGET: Schema = Schema { arguments: &[arg("percent", "Percent", Byte)], blocks: &[] };

pub(super) static UPDATE: Schema = Schema {
    arguments: &[
        arg("stagger", "Stagger", Duration),
        arg("max_parallel", "MaxParallel", Whole),
        arg("health_check", "HealthCheck", Text),
        arg("min_healthy_time", "MinHealthyTime", Duration),
        arg("healthy_deadline", "HealthyDeadline", Duration),
        arg("progress_deadline", "ProgressDeadline", Duration),
        arg("canary", "Canary", Whole),
        arg("auto_revert", "AutoRevert", Bool),
        arg("auto_promote", "AutoPromote", Bool),
    ],
    blocks: &[],
};

pub(super) static MIGRATE: Schema = Schema {
    arguments: &[
        arg("max_parallel", "MaxParallel", Whole),
        arg("health_check", "HealthCheck", Text),
        arg("min_healthy_time", "MinHealthyTime", Duration),
        arg("healthy_deadline", "HealthyDeadline", Duration),
    ],
    blocks: &[],
};

pub(super) static RESCHEDULE: Schema = Schema {
    arguments: &[
        arg("attempts", "Attempts", Whole),
        arg("interval", "Interval", Duration),
        arg("delay", "Delay", Duration),
        arg("delay_function", "DelayFunction", Text),
        arg("max_delay", "MaxDelay", Duration),
        arg("unlimited", "Unlimited", Bool),
    ],
    blocks: &[],
};

pub(super) static DISCONNECT: Schema = Schema {
    arguments: &[
        arg("lost_after", "LostAfter", Duration),
        arg("stop_on_client_after", "StopOnClientAfter", Duration),
        arg("replace", "Replace", Bool),
        arg("reconcile", "Reconcile", Text),
    ],
    blocks: &[],
};

pub(super) static EPHEMERAL_DISK: Schema = Schema {
    arguments: &[arg("sticky", "Sticky", Bool), arg("migrate", "Migrate", Bool), arg("size", "SizeMB", Whole)],
    blocks: &[],
};

pub(super) static PERIODIC: Schema = Schema {
    arguments: &[
        arg("enabled", "Enabled", Bool),
        arg("cron", "Spec", Text),
        arg("crons", "Specs", Texts),
        arg("prohibit_overlap", "ProhibitOverlap", Bool),
        arg("time_zone", "TimeZone", Text),
    ],
    blocks: &[],
};

pub(super) static PARAMETERIZED: Schema = Schema {
    arguments: &[
        arg("payload", "Payload", Text),
        arg("meta_required", "MetaRequired", Texts),
        arg("meta_optional", "MetaOptional", Texts),
    ],
    blocks: &[],
};

pub(super) static MULTIREGION: Schema = Schema {
    arguments: &[],
    blocks: &[
        once("strategy", "Strategy", Rules(&MULTIREGION_STRATEGY)),
        labelled("region", "Regions", &MULTIREGION_REGION, "Name"),
    ],
};

pub(super) static MULTIREGION_STRATEGY: Schema = Schema {
    arguments: &[arg("max_parallel", "MaxParallel", Whole), arg("on_failure", "OnFailure", Text)],
    blocks: &[],
};

pub(super) static MULTIREGION_REGION: Schema = Schema {
    arguments: &[
        arg("count", "Count", Whole),
        arg("datacenters", "Datacenters", Texts),
        arg("node_pool", "NodePool", Text),
    ],
    blocks: &[once("meta", "Meta", TextMap)],
};

pub(super) static UI: Schema =
    Schema { arguments: &[arg("description", "Description", Text)], blocks: &[many("link", "Links", &UI_LINK)] };

pub(super) static UI_LINK: Schema =
    Schema { arguments: &[arg("label", "Label", Text), arg("url", "URL", Text)], blocks: &[] };

pub(super) static VOLUME: Schema = Schema {
    arguments: &[
        arg("type", "Type", Text),
        arg("source", "Source", Text),
        arg("read_only", "ReadOnly", Bool),
        arg("sticky", "Sticky", Bool),
        arg("access_mode", "AccessMode", Text),
        arg("attachment_mode", "AttachmentMode", Text),
        arg("per_alloc", "PerAlloc", Bool),
    ],
    blocks: &[once("mount_options", "MountOptions", Rules(&MOUNT_OPTIONS))],
};

pub(super) static MOUNT_OPTIONS: Schema =
    Schema { arguments: &[arg("fs_type", "FSType", Text), arg("mount_flags", "MountFlags", Texts)], blocks: &[] };

pub(super) static CONSTRAINT: Schema = Schema {
    arguments: &[
        arg("attribute", "LTarget", Text),
        arg("value", "RTarget", Text),
        arg("operator", "Operand", Text),
        arg("distinct_hosts", "distinct_hosts", Bool),
        arg("distinct_property", "distinct_property", Text),
        arg("regexp", "regexp", Text),
        arg("version", "version", Text),
        arg("semver", "semver", Text),
        arg("set_contains", "set_contains", Text),
        arg("set_contains_all", "set_contains_all", Text),
        arg("set_contains_any", "set_contains_any", Text),
        arg("is_set", "is_set", Text),
        arg("is_not_set", "is_not_set", Text),
    ],
    blocks: &[],
};

pub(super) static AFFINITY: Schema = Schema {
    arguments: &[
        arg("attribute", "LTarget", Text),
        arg("value", "RTarget", Text),
        arg("operator", "Operand", Text),
        arg("weight", "Weight", Whole),
        arg("regexp", "regexp", Text),
        arg("version", "version", Text),
        arg("semver", "semver", Text),
        arg("set_contains", "set_contains", Text),
        arg("set_contains_all", "set_contains_all", Text),
        arg("set_contains_any", "set_contains_any", Text),
    ],
    blocks: &[],
};
