//! What may stand in each block of a job file, and which field of the API's JSON it becomes.

/// A block's arguments and nested blocks.
#[derive(Debug)]
pub(crate) struct Schema {
    pub(crate) arguments: &'static [Argument],
    pub(crate) blocks: &'static [BlockRule],
}

/// `name = value`.
#[derive(Debug)]
pub(crate) struct Argument {
    pub(crate) name: &'static str,
    pub(crate) field: &'static str,
    pub(crate) kind: Kind,
    pub(crate) required: bool,
}

/// What an argument's value is converted to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Text,
    Whole,
    /// A whole number from 0 to 255.
    Byte,
    Bool,
    /// Go duration text or nanoseconds.
    Duration,
    Texts,
    TextMap,
}

/// `name "label" { … }`.
#[derive(Debug)]
pub(crate) struct BlockRule {
    pub(crate) name: &'static str,
    pub(crate) field: &'static str,
    pub(crate) inside: Inside,
    pub(crate) times: Times,
    /// The field that takes the label.
    pub(crate) label: Option<&'static str>,
}

/// What is between a block's braces.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Inside {
    Rules(&'static Schema),
    /// Text values under free names.
    TextMap,
    /// The same, and `name = { … }` is allowed, too.
    TextMapOrArgument,
    /// Lists of texts under free names.
    TextsMap,
    /// Anything.
    Free,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Times {
    Once,
    /// A list in the API.
    Many,
    /// An object in the API, by label.
    ByLabel,
}

impl Schema {
    pub(crate) fn argument(&self, name: &str) -> Option<&'static Argument> {
        self.arguments.iter().find(|argument| argument.name == name)
    }

    pub(crate) fn block(&self, name: &str) -> Option<&'static BlockRule> {
        self.blocks.iter().find(|block| block.name == name)
    }
}

const fn arg(name: &'static str, field: &'static str, kind: Kind) -> Argument {
    Argument { name, field, kind, required: false }
}

const fn must(name: &'static str, field: &'static str, kind: Kind) -> Argument {
    Argument { name, field, kind, required: true }
}

const fn once(name: &'static str, field: &'static str, inside: Inside) -> BlockRule {
    BlockRule { name, field, inside, times: Times::Once, label: None }
}

const fn many(name: &'static str, field: &'static str, schema: &'static Schema) -> BlockRule {
    BlockRule { name, field, inside: Inside::Rules(schema), times: Times::Many, label: None }
}

const fn labelled(name: &'static str, field: &'static str, schema: &'static Schema, label: &'static str) -> BlockRule {
    BlockRule { name, field, inside: Inside::Rules(schema), times: Times::Many, label: Some(label) }
}

use Inside::{Free, Rules, TextMap, TextMapOrArgument, TextsMap};
use Kind::{Bool, Byte, Duration, Text, Texts, Whole};

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

static GROUP: Schema = Schema {
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

static TASK: Schema = Schema {
    arguments: &[
        arg("driver", "Driver", Text),
        arg("user", "User", Text),
        arg("kill_timeout", "KillTimeout", Duration),
        arg("kill_signal", "KillSignal", Text),
        arg("shutdown_delay", "ShutdownDelay", Duration),
        arg("leader", "Leader", Bool),
        arg("kind", "Kind", Text),
    ],
    blocks: &[
        once("lifecycle", "Lifecycle", Rules(&LIFECYCLE)),
        once("config", "Config", Free),
        many("constraint", "Constraints", &CONSTRAINT),
        many("affinity", "Affinities", &AFFINITY),
        once("env", "Env", TextMapOrArgument),
        many("service", "Services", &SERVICE),
        once("resources", "Resources", Rules(&RESOURCES)),
        once("restart", "RestartPolicy", Rules(&RESTART)),
        once("meta", "Meta", TextMapOrArgument),
        once("logs", "LogConfig", Rules(&LOGS)),
        many("artifact", "Artifacts", &ARTIFACT),
        once("vault", "Vault", Rules(&VAULT)),
        once("consul", "Consul", Rules(&CONSUL)),
        many("template", "Templates", &TEMPLATE),
        once("dispatch_payload", "DispatchPayload", Rules(&DISPATCH_PAYLOAD)),
        many("volume_mount", "VolumeMounts", &VOLUME_MOUNT),
        once("csi_plugin", "CSIPluginConfig", Rules(&CSI_PLUGIN)),
        labelled("scaling", "ScalingPolicies", &SCALING, "Type"),
        labelled("secret", "Secrets", &SECRET, "Name"),
        many("identity", "Identities", &IDENTITY),
        labelled("action", "Actions", &ACTION, "Name"),
        once("schedule", "Schedule", Free),
    ],
};

pub(crate) static CONSTRAINT: Schema = Schema {
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

pub(crate) static AFFINITY: Schema = Schema {
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

static SPREAD: Schema = Schema {
    arguments: &[arg("attribute", "Attribute", Text), arg("weight", "Weight", Whole)],
    blocks: &[labelled("target", "SpreadTarget", &SPREAD_TARGET, "Value")],
};

static SPREAD_TARGET: Schema = Schema { arguments: &[arg("percent", "Percent", Byte)], blocks: &[] };

static UPDATE: Schema = Schema {
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

static MIGRATE: Schema = Schema {
    arguments: &[
        arg("max_parallel", "MaxParallel", Whole),
        arg("health_check", "HealthCheck", Text),
        arg("min_healthy_time", "MinHealthyTime", Duration),
        arg("healthy_deadline", "HealthyDeadline", Duration),
    ],
    blocks: &[],
};

static RESTART: Schema = Schema {
    arguments: &[
        arg("attempts", "Attempts", Whole),
        arg("interval", "Interval", Duration),
        arg("delay", "Delay", Duration),
        arg("mode", "Mode", Text),
        arg("render_templates", "RenderTemplates", Bool),
    ],
    blocks: &[],
};

static RESCHEDULE: Schema = Schema {
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

static DISCONNECT: Schema = Schema {
    arguments: &[
        arg("lost_after", "LostAfter", Duration),
        arg("stop_on_client_after", "StopOnClientAfter", Duration),
        arg("replace", "Replace", Bool),
        arg("reconcile", "Reconcile", Text),
    ],
    blocks: &[],
};

static EPHEMERAL_DISK: Schema = Schema {
    arguments: &[arg("sticky", "Sticky", Bool), arg("migrate", "Migrate", Bool), arg("size", "SizeMB", Whole)],
    blocks: &[],
};

static PERIODIC: Schema = Schema {
    arguments: &[
        arg("enabled", "Enabled", Bool),
        arg("cron", "Spec", Text),
        arg("crons", "Specs", Texts),
        arg("prohibit_overlap", "ProhibitOverlap", Bool),
        arg("time_zone", "TimeZone", Text),
    ],
    blocks: &[],
};

static PARAMETERIZED: Schema = Schema {
    arguments: &[
        arg("payload", "Payload", Text),
        arg("meta_required", "MetaRequired", Texts),
        arg("meta_optional", "MetaOptional", Texts),
    ],
    blocks: &[],
};

static MULTIREGION: Schema = Schema {
    arguments: &[],
    blocks: &[
        once("strategy", "Strategy", Rules(&MULTIREGION_STRATEGY)),
        labelled("region", "Regions", &MULTIREGION_REGION, "Name"),
    ],
};

static MULTIREGION_STRATEGY: Schema = Schema {
    arguments: &[arg("max_parallel", "MaxParallel", Whole), arg("on_failure", "OnFailure", Text)],
    blocks: &[],
};

static MULTIREGION_REGION: Schema = Schema {
    arguments: &[
        arg("count", "Count", Whole),
        arg("datacenters", "Datacenters", Texts),
        arg("node_pool", "NodePool", Text),
    ],
    blocks: &[once("meta", "Meta", TextMap)],
};

static UI: Schema =
    Schema { arguments: &[arg("description", "Description", Text)], blocks: &[many("link", "Links", &UI_LINK)] };

static UI_LINK: Schema = Schema { arguments: &[arg("label", "Label", Text), arg("url", "URL", Text)], blocks: &[] };

static VAULT: Schema = Schema {
    arguments: &[
        arg("policies", "Policies", Texts),
        arg("role", "Role", Text),
        arg("namespace", "Namespace", Text),
        arg("cluster", "Cluster", Text),
        arg("env", "Env", Bool),
        arg("disable_file", "DisableFile", Bool),
        arg("change_mode", "ChangeMode", Text),
        arg("change_signal", "ChangeSignal", Text),
        arg("allow_token_expiration", "AllowTokenExpiration", Bool),
    ],
    blocks: &[],
};

static SECRET: Schema = Schema {
    arguments: &[arg("provider", "Provider", Text), arg("path", "Path", Text)],
    blocks: &[once("config", "Config", Free), once("env", "Env", TextMap)],
};

static CONSUL: Schema = Schema {
    arguments: &[
        arg("namespace", "Namespace", Text),
        arg("cluster", "Cluster", Text),
        arg("partition", "Partition", Text),
    ],
    blocks: &[],
};

static VOLUME: Schema = Schema {
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

static MOUNT_OPTIONS: Schema =
    Schema { arguments: &[arg("fs_type", "FSType", Text), arg("mount_flags", "MountFlags", Texts)], blocks: &[] };

static VOLUME_MOUNT: Schema = Schema {
    arguments: &[
        arg("volume", "Volume", Text),
        arg("destination", "Destination", Text),
        arg("read_only", "ReadOnly", Bool),
        arg("propagation_mode", "PropagationMode", Text),
        arg("selinux_label", "SELinuxLabel", Text),
    ],
    blocks: &[],
};

static NETWORK: Schema = Schema {
    arguments: &[
        arg("mode", "Mode", Text),
        arg("device", "Device", Text),
        arg("cidr", "CIDR", Text),
        arg("ip", "IP", Text),
        arg("hostname", "Hostname", Text),
        arg("mbits", "MBits", Whole),
    ],
    blocks: &[
        once("dns", "DNS", Rules(&DNS)),
        labelled("port", "DynamicPorts", &PORT, "Label"),
        labelled("reserved_ports", "ReservedPorts", &PORT, "Label"),
        once("cni", "CNI", Rules(&CNI)),
    ],
};

static DNS: Schema = Schema {
    arguments: &[
        arg("servers", "Servers", Texts),
        arg("searches", "Searches", Texts),
        arg("options", "Options", Texts),
    ],
    blocks: &[],
};

static CNI: Schema = Schema { arguments: &[arg("args", "Args", Kind::TextMap)], blocks: &[] };

static PORT: Schema = Schema {
    arguments: &[
        arg("static", "Value", Whole),
        arg("to", "To", Whole),
        arg("host_network", "HostNetwork", Text),
        arg("ignore_collision", "IgnoreCollision", Bool),
    ],
    blocks: &[],
};

static RESOURCES: Schema = Schema {
    arguments: &[
        arg("cpu", "CPU", Whole),
        arg("cores", "Cores", Whole),
        arg("memory", "MemoryMB", Whole),
        arg("memory_max", "MemoryMaxMB", Whole),
        arg("disk", "DiskMB", Whole),
        arg("secrets", "SecretsMB", Whole),
        arg("iops", "IOPS", Whole),
    ],
    blocks: &[
        many("network", "Networks", &NETWORK),
        labelled("device", "Devices", &DEVICE, "Name"),
        once("numa", "NUMA", Rules(&NUMA)),
    ],
};

static DEVICE: Schema = Schema {
    arguments: &[arg("count", "Count", Whole)],
    blocks: &[many("constraint", "Constraints", &CONSTRAINT), many("affinity", "Affinities", &AFFINITY)],
};

static NUMA: Schema =
    Schema { arguments: &[arg("affinity", "Affinity", Text), arg("devices", "Devices", Texts)], blocks: &[] };

static SERVICE: Schema = Schema {
    arguments: &[
        arg("name", "Name", Text),
        arg("tags", "Tags", Texts),
        arg("canary_tags", "CanaryTags", Texts),
        arg("enable_tag_override", "EnableTagOverride", Bool),
        arg("port", "PortLabel", Text),
        arg("address_mode", "AddressMode", Text),
        arg("address", "Address", Text),
        arg("task", "TaskName", Text),
        arg("on_update", "OnUpdate", Text),
        arg("provider", "Provider", Text),
        arg("cluster", "Cluster", Text),
        arg("kind", "Kind", Text),
    ],
    blocks: &[
        many("check", "Checks", &CHECK),
        once("check_restart", "CheckRestart", Rules(&CHECK_RESTART)),
        once("connect", "Connect", Rules(&CONNECT)),
        once("meta", "Meta", TextMap),
        once("canary_meta", "CanaryMeta", TextMap),
        once("tagged_addresses", "TaggedAddresses", TextMap),
        once("identity", "Identity", Rules(&IDENTITY)),
        once("weights", "Weights", Rules(&WEIGHTS)),
    ],
};

static CONNECT: Schema = Schema {
    arguments: &[arg("native", "Native", Bool)],
    blocks: &[
        once("gateway", "Gateway", Free),
        once("sidecar_service", "SidecarService", Free),
        once("sidecar_task", "SidecarTask", Free),
    ],
};

static WEIGHTS: Schema =
    Schema { arguments: &[arg("passing", "Passing", Whole), arg("warning", "Warning", Whole)], blocks: &[] };

static CHECK: Schema = Schema {
    arguments: &[
        arg("name", "Name", Text),
        arg("type", "Type", Text),
        arg("command", "Command", Text),
        arg("args", "Args", Texts),
        arg("path", "Path", Text),
        arg("protocol", "Protocol", Text),
        arg("port", "PortLabel", Text),
        arg("expose", "Expose", Bool),
        arg("address_mode", "AddressMode", Text),
        arg("advertise", "Advertise", Text),
        arg("interval", "Interval", Duration),
        arg("timeout", "Timeout", Duration),
        arg("initial_status", "InitialStatus", Text),
        arg("notes", "Notes", Text),
        arg("tls_server_name", "TLSServerName", Text),
        arg("tls_skip_verify", "TLSSkipVerify", Bool),
        arg("method", "Method", Text),
        arg("grpc_service", "GRPCService", Text),
        arg("grpc_use_tls", "GRPCUseTLS", Bool),
        arg("task", "TaskName", Text),
        arg("success_before_passing", "SuccessBeforePassing", Whole),
        arg("failures_before_critical", "FailuresBeforeCritical", Whole),
        arg("failures_before_warning", "FailuresBeforeWarning", Whole),
        arg("body", "Body", Text),
        arg("on_update", "OnUpdate", Text),
    ],
    blocks: &[once("header", "Header", TextsMap), once("check_restart", "CheckRestart", Rules(&CHECK_RESTART))],
};

static CHECK_RESTART: Schema = Schema {
    arguments: &[
        arg("limit", "Limit", Whole),
        arg("grace", "Grace", Duration),
        arg("ignore_warnings", "IgnoreWarnings", Bool),
    ],
    blocks: &[],
};

static IDENTITY: Schema = Schema {
    arguments: &[
        arg("name", "Name", Text),
        arg("aud", "Audience", Texts),
        arg("change_mode", "ChangeMode", Text),
        arg("change_signal", "ChangeSignal", Text),
        arg("env", "Env", Bool),
        arg("file", "File", Bool),
        arg("filepath", "Filepath", Text),
        arg("service_name", "ServiceName", Text),
        arg("ttl", "TTL", Duration),
        arg("extra_claims", "ExtraClaims", Texts),
    ],
    blocks: &[],
};

static SCALING: Schema = Schema {
    arguments: &[
        arg("min", "Min", Whole),
        arg("max", "Max", Whole),
        arg("enabled", "Enabled", Bool),
        arg("type", "Type", Text),
    ],
    blocks: &[once("policy", "Policy", Free)],
};

static LIFECYCLE: Schema =
    Schema { arguments: &[must("hook", "Hook", Text), arg("sidecar", "Sidecar", Bool)], blocks: &[] };

static LOGS: Schema = Schema {
    arguments: &[
        arg("max_files", "MaxFiles", Whole),
        arg("max_file_size", "MaxFileSizeMB", Whole),
        arg("enabled", "Enabled", Bool),
        arg("disabled", "Disabled", Bool),
    ],
    blocks: &[],
};

static ARTIFACT: Schema = Schema {
    arguments: &[
        arg("source", "GetterSource", Text),
        arg("mode", "GetterMode", Text),
        arg("insecure", "GetterInsecure", Bool),
        arg("destination", "RelativeDest", Text),
        arg("chown", "Chown", Bool),
    ],
    blocks: &[once("options", "GetterOptions", TextMap), once("headers", "GetterHeaders", TextMap)],
};

static TEMPLATE: Schema = Schema {
    arguments: &[
        arg("source", "SourcePath", Text),
        arg("destination", "DestPath", Text),
        arg("data", "EmbeddedTmpl", Text),
        arg("change_mode", "ChangeMode", Text),
        arg("change_signal", "ChangeSignal", Text),
        arg("once", "Once", Bool),
        arg("splay", "Splay", Duration),
        arg("perms", "Perms", Text),
        arg("uid", "Uid", Whole),
        arg("gid", "Gid", Whole),
        arg("left_delimiter", "LeftDelim", Text),
        arg("right_delimiter", "RightDelim", Text),
        arg("env", "Envvars", Bool),
        arg("vault_grace", "VaultGrace", Duration),
        arg("error_on_missing_key", "ErrMissingKey", Bool),
    ],
    blocks: &[once("change_script", "ChangeScript", Rules(&CHANGE_SCRIPT)), once("wait", "Wait", Rules(&WAIT))],
};

static CHANGE_SCRIPT: Schema = Schema {
    arguments: &[
        must("command", "Command", Text),
        arg("args", "Args", Texts),
        arg("timeout", "Timeout", Duration),
        must("fail_on_error", "FailOnError", Bool),
        arg("run_on_first_render", "RunOnFirstRender", Bool),
    ],
    blocks: &[],
};

static WAIT: Schema = Schema { arguments: &[must("min", "Min", Duration), must("max", "Max", Duration)], blocks: &[] };

static DISPATCH_PAYLOAD: Schema = Schema { arguments: &[arg("file", "File", Text)], blocks: &[] };

static CSI_PLUGIN: Schema = Schema {
    arguments: &[
        arg("id", "ID", Text),
        arg("type", "Type", Text),
        arg("mount_dir", "MountDir", Text),
        arg("stage_publish_base_dir", "StagePublishBaseDir", Text),
        arg("health_timeout", "HealthTimeout", Duration),
    ],
    blocks: &[],
};

static ACTION: Schema =
    Schema { arguments: &[must("command", "Command", Text), arg("args", "Args", Texts)], blocks: &[] };
