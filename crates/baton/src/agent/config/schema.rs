//! What may stand in an agent's configuration.
//!
//! Every key of Nomad's agent is named: read, without effect here (`Kind::Anything` and `Inside::Free`, told as warnings by
//! `rules`), or refused with what to do instead.

use baton_jobspec::hcl::{Argument, BlockRule, Inside, Kind, Schema, Times, arg, once};

const LATER_FAILOVER: &str =
    "Failover comes with a later version: remove the block, and keep what moves the address today.";
const LATER_CERTIFICATES: &str =
    "Certificates come with a later version: remove the block, and keep what orders them today.";
const ONE_SERVER: &str = "One server plans; servers do not join each other. Remove it.";
const BELOW_DATA_DIR: &str = "Everything lies below data_dir: set that instead.";

const fn text(name: &'static str) -> Argument {
    arg(name, name, Kind::Text)
}

const fn whole(name: &'static str) -> Argument {
    arg(name, name, Kind::Whole)
}

const fn flag(name: &'static str) -> Argument {
    arg(name, name, Kind::Bool)
}

const fn duration(name: &'static str) -> Argument {
    arg(name, name, Kind::Duration)
}

const fn any(name: &'static str) -> Argument {
    arg(name, name, Kind::Anything)
}

const fn refused(name: &'static str, why: &'static str) -> Argument {
    arg(name, name, Kind::Refused(why))
}

const fn rules(name: &'static str, schema: &'static Schema) -> BlockRule {
    once(name, name, Inside::Rules(schema))
}

const fn free(name: &'static str) -> BlockRule {
    once(name, name, Inside::Free)
}

const fn map(name: &'static str) -> BlockRule {
    once(name, name, Inside::TextMapOrArgument)
}

const fn never(name: &'static str, why: &'static str) -> BlockRule {
    BlockRule { name, field: name, inside: Inside::Refused(why), times: Times::Many, label: None }
}

/// A whole file.
pub static ROOT: Schema = Schema {
    arguments: &[
        text("name"),
        text("region"),
        text("datacenter"),
        text("data_dir"),
        text("bind_addr"),
        text("log_level"),
        flag("log_json"),
        flag("leave_on_interrupt"),
        flag("leave_on_terminate"),
        any("disable_anonymous_signature"),
        any("disable_update_check"),
        any("enable_debug"),
        any("enable_syslog"),
        any("log_file"),
        any("log_include_location"),
        any("log_rotate_bytes"),
        any("log_rotate_duration"),
        any("log_rotate_max_files"),
        any("plugin_dir"),
        any("syslog_facility"),
    ],
    blocks: &[
        rules("ports", &PORTS),
        rules("addresses", &ADDRESSES),
        rules("advertise", &ADVERTISE),
        rules("server", &SERVER),
        rules("client", &CLIENT),
        rules("consul", &CONSUL),
        rules("catalog", &CATALOG),
        rules("acl", &ACL),
        rules("telemetry", &TELEMETRY),
        BlockRule {
            name: "plugin",
            field: "plugin",
            inside: Inside::Rules(&PLUGIN),
            times: Times::ByLabel,
            label: Some("name"),
        },
        free("vault"),
        free("autopilot"),
        free("eventlog"),
        free("limits"),
        free("reporting"),
        free("rpc"),
        free("ui"),
        map("http_api_response_headers"),
        never("failover", LATER_FAILOVER),
        never("pair", LATER_FAILOVER),
        never("certificates", LATER_CERTIFICATES),
        never(
            "tls",
            "The API speaks plain HTTP so far: keep it on loopback or on a private network, and remove the block.",
        ),
        never("audit", "There is no audit log: remove the block."),
        never("sentinel", "There are no Sentinel policies: remove the block."),
        never("keyring", "There is no keyring: remove the block."),
    ],
};

static PORTS: Schema = Schema { arguments: &[whole("http"), any("rpc"), any("serf")], blocks: &[] };

static ADDRESSES: Schema = Schema { arguments: &[text("http"), text("socket"), any("rpc"), any("serf")], blocks: &[] };

static ADVERTISE: Schema = Schema { arguments: &[text("http"), any("rpc"), any("serf")], blocks: &[] };

static SERVER: Schema = Schema {
    arguments: &[
        flag("enabled"),
        whole("bootstrap_expect"),
        duration("heartbeat_grace"),
        duration("min_heartbeat_ttl"),
        duration("failover_heartbeat_ttl"),
        duration("job_gc_interval"),
        duration("job_gc_threshold"),
        duration("eval_gc_threshold"),
        duration("batch_eval_gc_threshold"),
        duration("deployment_gc_threshold"),
        duration("node_gc_threshold"),
        refused("authoritative_region", "There is one region. Remove it."),
        refused("data_dir", BELOW_DATA_DIR),
        refused("retry_join", ONE_SERVER),
        refused("start_join", ONE_SERVER),
        any("acl_token_gc_threshold"),
        any("csi_plugin_gc_threshold"),
        any("csi_volume_claim_gc_threshold"),
        any("csi_volume_claim_gc_interval"),
        any("enable_event_broker"),
        any("enabled_schedulers"),
        any("encrypt"),
        any("event_buffer_size"),
        any("job_default_priority"),
        any("job_max_priority"),
        any("job_max_source_size"),
        any("job_tracked_versions"),
        any("license_path"),
        any("max_heartbeats_per_second"),
        any("non_voting_server"),
        any("num_schedulers"),
        any("oidc_issuer"),
        any("raft_multiplier"),
        any("raft_protocol"),
        any("raft_snapshot_interval"),
        any("raft_snapshot_threshold"),
        any("raft_trailing_logs"),
        any("redundancy_zone"),
        any("rejoin_after_leave"),
        any("retry_interval"),
        any("retry_max"),
        any("root_key_gc_interval"),
        any("root_key_gc_threshold"),
        any("root_key_rotation_threshold"),
        any("start_timeout"),
        any("upgrade_version"),
    ],
    blocks: &[
        never("server_join", ONE_SERVER),
        free("default_scheduler_config"),
        free("plan_rejection_tracker"),
        free("raft_boltdb"),
        free("search"),
    ],
};

static CLIENT: Schema = Schema {
    arguments: &[
        flag("enabled"),
        text("node_class"),
        text("node_pool"),
        arg("servers", "servers", Kind::Texts),
        text("network_interface"),
        whole("min_dynamic_port"),
        whole("max_dynamic_port"),
        duration("max_kill_timeout"),
        whole("gc_max_allocs"),
        whole("cpu_total_compute"),
        whole("memory_total_mb"),
        whole("disk_total_mb"),
        refused("alloc_dir", BELOW_DATA_DIR),
        refused("state_dir", BELOW_DATA_DIR),
        refused("alloc_mounts_dir", BELOW_DATA_DIR),
        any("bridge_network_hairpin_mode"),
        any("bridge_network_name"),
        any("bridge_network_subnet"),
        any("bridge_network_subnet_ipv6"),
        any("cgroup_parent"),
        any("cni_config_dir"),
        any("cni_path"),
        any("cpu_disable_dmidecode"),
        any("disk_free_mb"),
        any("gc_disk_usage_threshold"),
        any("gc_inode_usage_threshold"),
        any("gc_interval"),
        any("gc_parallel_destroys"),
        any("gc_volumes_on_node_gc"),
        any("host_volume_plugin_dir"),
        any("host_volumes_dir"),
        any("max_dynamic_users"),
        any("network_speed"),
        any("no_host_uuid"),
        any("node_max_allocs"),
        any("preferred_address_family"),
    ],
    blocks: &[
        map("meta"),
        map("options"),
        rules("reserved", &RESERVED),
        rules("server_join", &SERVER_JOIN),
        never("host_volume", "There are no host volumes: tasks see the host's files. Remove the block."),
        never("host_network", "A node has one address: set network_interface. Remove the block."),
        never("drain_on_shutdown", "Tasks outlive the agent. Drain before a stop: baton node drain -self -enable."),
        map("chroot_env"),
        free("artifact"),
        free("fingerprint"),
        free("template"),
        free("users"),
    ],
};

static RESERVED: Schema = Schema {
    arguments: &[whole("cpu"), whole("memory"), whole("disk"), text("reserved_ports"), any("cores"), any("iops")],
    blocks: &[],
};

static SERVER_JOIN: Schema = Schema {
    arguments: &[
        arg("retry_join", "retry_join", Kind::Texts),
        arg("start_join", "start_join", Kind::Texts),
        duration("retry_interval"),
        whole("retry_max"),
    ],
    blocks: &[],
};

static CONSUL: Schema = Schema {
    arguments: &[
        text("address"),
        text("token"),
        flag("ssl"),
        flag("verify_ssl"),
        text("ca_file"),
        text("cert_file"),
        text("key_file"),
        refused("auth", "Consul's API is used with a token only: set token instead."),
        refused("namespace", "Consul's namespaces are not supported. Remove it."),
        any("allow_unauthenticated"),
        any("auto_advertise"),
        any("checks_use_advertise"),
        any("client_auto_join"),
        any("client_failures_before_critical"),
        any("client_failures_before_warning"),
        any("client_http_check_name"),
        any("client_service_name"),
        any("grpc_address"),
        any("grpc_ca_file"),
        any("name"),
        any("server_auto_join"),
        any("server_failures_before_critical"),
        any("server_failures_before_warning"),
        any("server_http_check_name"),
        any("server_rpc_check_name"),
        any("server_serf_check_name"),
        any("server_service_name"),
        any("service_auth_method"),
        any("share_ssl"),
        any("tags"),
        any("task_auth_method"),
        any("timeout"),
    ],
    blocks: &[free("service_identity"), free("task_identity")],
};

static CATALOG: Schema = Schema { arguments: &[text("address"), flag("enable_script_checks")], blocks: &[] };

static ACL: Schema = Schema {
    arguments: &[
        flag("enabled"),
        text("default"),
        text("token_file"),
        any("policy_ttl"),
        any("replication_token"),
        any("role_ttl"),
        any("token_max_expiration_ttl"),
        any("token_min_expiration_ttl"),
        any("token_ttl"),
    ],
    blocks: &[],
};

static TELEMETRY: Schema = Schema {
    arguments: &[
        any("allowed_metadata_keys_in_metrics"),
        flag("backwards_compatible_metrics"),
        any("circonus_api_token"),
        any("circonus_submission_url"),
        duration("collection_interval"),
        any("datadog_address"),
        any("datadog_tags"),
        any("disable_allocation_hook_metrics"),
        any("disable_dispatched_job_summary_metrics"),
        flag("disable_hostname"),
        any("disable_quota_utilization_metrics"),
        any("disable_rpc_rate_metrics_labels"),
        any("filter_default"),
        any("in_memory_collection_interval"),
        any("in_memory_retention_interval"),
        any("include_alloc_metadata_in_metrics"),
        any("prefix_filter"),
        flag("prometheus_metrics"),
        flag("publish_allocation_metrics"),
        flag("publish_node_metrics"),
        any("statsd_address"),
        any("statsite_address"),
        flag("use_node_name"),
    ],
    blocks: &[],
};

/// What is in `config` depends on the driver.
static PLUGIN: Schema = Schema { arguments: &[any("args")], blocks: &[free("config")] };
