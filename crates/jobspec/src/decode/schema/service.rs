//! Services, checks and networks.

use super::Inside::{Free, Rules, TextMap, TextsMap};
use super::Kind::{Bool, Duration, Text, Texts, Whole};
use super::task::IDENTITY;
use super::{Kind, Schema, arg, labelled, many, once};

pub(super) static SERVICE: Schema = Schema {
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

pub(super) static CONNECT: Schema = Schema {
    arguments: &[arg("native", "Native", Bool)],
    blocks: &[
        once("gateway", "Gateway", Free),
        once("sidecar_service", "SidecarService", Free),
        once("sidecar_task", "SidecarTask", Free),
    ],
};

pub(super) static WEIGHTS: Schema =
    Schema { arguments: &[arg("passing", "Passing", Whole), arg("warning", "Warning", Whole)], blocks: &[] };

pub(super) static CHECK: Schema = Schema {
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

pub(super) static CHECK_RESTART: Schema = Schema {
    arguments: &[
        arg("limit", "Limit", Whole),
        arg("grace", "Grace", Duration),
        arg("ignore_warnings", "IgnoreWarnings", Bool),
    ],
    blocks: &[],
};

pub(super) static NETWORK: Schema = Schema {
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

pub(super) static DNS: Schema = Schema {
    arguments: &[
        arg("servers", "Servers", Texts),
        arg("searches", "Searches", Texts),
        arg("options", "Options", Texts),
    ],
    blocks: &[],
};

pub(super) static CNI: Schema = Schema { arguments: &[arg("args", "Args", Kind::TextMap)], blocks: &[] };

pub(super) static PORT: Schema = Schema {
    arguments: &[
        arg("static", "Value", Whole),
        arg("to", "To", Whole),
        arg("host_network", "HostNetwork", Text),
        arg("ignore_collision", "IgnoreCollision", Bool),
    ],
    blocks: &[],
};
