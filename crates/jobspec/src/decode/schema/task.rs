//! Tasks and what they are made of.

use super::Inside::{Free, Rules, TextMap, TextMapOrArgument};
use super::Kind::{Bool, Duration, Text, Texts, Whole};
use super::job::{AFFINITY, CONSTRAINT};
use super::service::{NETWORK, SERVICE};
use super::{Schema, arg, labelled, many, must, once};

pub(super) static TASK: Schema = Schema {
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

pub(super) static RESTART: Schema = Schema {
    arguments: &[
        arg("attempts", "Attempts", Whole),
        arg("interval", "Interval", Duration),
        arg("delay", "Delay", Duration),
        arg("mode", "Mode", Text),
        arg("render_templates", "RenderTemplates", Bool),
    ],
    blocks: &[],
};

pub(super) static VAULT: Schema = Schema {
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

pub(super) static SECRET: Schema = Schema {
    arguments: &[arg("provider", "Provider", Text), arg("path", "Path", Text)],
    blocks: &[once("config", "Config", Free), once("env", "Env", TextMap)],
};

pub(super) static CONSUL: Schema = Schema {
    arguments: &[
        arg("namespace", "Namespace", Text),
        arg("cluster", "Cluster", Text),
        arg("partition", "Partition", Text),
    ],
    blocks: &[],
};

pub(super) static VOLUME_MOUNT: Schema = Schema {
    arguments: &[
        arg("volume", "Volume", Text),
        arg("destination", "Destination", Text),
        arg("read_only", "ReadOnly", Bool),
        arg("propagation_mode", "PropagationMode", Text),
        arg("selinux_label", "SELinuxLabel", Text),
    ],
    blocks: &[],
};

pub(super) static RESOURCES: Schema = Schema {
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

pub(super) static DEVICE: Schema = Schema {
    arguments: &[arg("count", "Count", Whole)],
    blocks: &[many("constraint", "Constraints", &CONSTRAINT), many("affinity", "Affinities", &AFFINITY)],
};

pub(super) static NUMA: Schema =
    Schema { arguments: &[arg("affinity", "Affinity", Text), arg("devices", "Devices", Texts)], blocks: &[] };

pub(super) static IDENTITY: Schema = Schema {
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

pub(super) static SCALING: Schema = Schema {
    arguments: &[
        arg("min", "Min", Whole),
        must("max", "Max", Whole),
        arg("enabled", "Enabled", Bool),
        arg("type", "Type", Text),
    ],
    blocks: &[once("policy", "Policy", Free)],
};

pub(super) static LIFECYCLE: Schema =
    Schema { arguments: &[must("hook", "Hook", Text), arg("sidecar", "Sidecar", Bool)], blocks: &[] };

pub(super) static LOGS: Schema = Schema {
    arguments: &[
        arg("max_files", "MaxFiles", Whole),
        arg("max_file_size", "MaxFileSizeMB", Whole),
        arg("enabled", "Enabled", Bool),
        arg("disabled", "Disabled", Bool),
    ],
    blocks: &[],
};

pub(super) static ARTIFACT: Schema = Schema {
    arguments: &[
        arg("source", "GetterSource", Text),
        arg("mode", "GetterMode", Text),
        arg("insecure", "GetterInsecure", Bool),
        arg("destination", "RelativeDest", Text),
        arg("chown", "Chown", Bool),
    ],
    blocks: &[once("options", "GetterOptions", TextMap), once("headers", "GetterHeaders", TextMap)],
};

pub(super) static TEMPLATE: Schema = Schema {
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

pub(super) static CHANGE_SCRIPT: Schema = Schema {
    arguments: &[
        must("command", "Command", Text),
        arg("args", "Args", Texts),
        arg("timeout", "Timeout", Duration),
        arg("fail_on_error", "FailOnError", Bool),
        arg("run_on_first_render", "RunOnFirstRender", Bool),
    ],
    blocks: &[],
};

pub(super) static WAIT: Schema =
    Schema { arguments: &[arg("min", "Min", Duration), arg("max", "Max", Duration)], blocks: &[] };

pub(super) static DISPATCH_PAYLOAD: Schema = Schema { arguments: &[arg("file", "File", Text)], blocks: &[] };

pub(super) static CSI_PLUGIN: Schema = Schema {
    arguments: &[
        arg("id", "ID", Text),
        arg("type", "Type", Text),
        arg("mount_dir", "MountDir", Text),
        arg("stage_publish_base_dir", "StagePublishBaseDir", Text),
        arg("health_timeout", "HealthTimeout", Duration),
    ],
    blocks: &[],
};

pub(super) static ACTION: Schema =
    Schema { arguments: &[must("command", "Command", Text), arg("args", "Args", Texts)], blocks: &[] };
