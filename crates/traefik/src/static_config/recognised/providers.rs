//! Providers that nothing comes from here.

use baton_routing::config::{ClientTls, Named, Timespan};

use super::options;

/// Docker's options, and those that a kind of it has besides.
macro_rules! containers {
    ($($name:ident { $($body:tt)* })*) => {
        options! {
            $($name {
                exposed_by_default: bool,
                constraints: String,
                allow_empty_services: bool,
                network: String,
                #[serde(rename = "useBindPortIP")]
                use_bind_port_ip: bool,
                watch: bool,
                default_rule: String,
                username: String,
                password: String,
                endpoint: String,
                tls: Option<ClientTls>,
                http_client_timeout: Timespan,
                $($body)*
            })*
        }
    };
}

containers! {
    Docker {}

    Swarm {
        refresh_seconds: Timespan,
    }
}

options! {
    KubernetesIngress {
        endpoint: String,
        token: String,
        cert_auth_file_path: String,
        namespaces: Vec<String>,
        cross_provider_namespaces: Vec<String>,
        label_selector: String,
        ingress_class: String,
        ingress_endpoint: Option<IngressEndpoint>,
        throttle_duration: Timespan,
        allow_empty_services: bool,
        allow_external_name_services: bool,
        disable_ingress_class_lookup: bool,
        disable_cluster_scope_resources: bool,
        #[serde(rename = "nativeLBByDefault")]
        native_lb_by_default: bool,
        strict_prefix_matching: bool,
    }

    IngressEndpoint {
        ip: String,
        hostname: String,
        published_service: String,
    }

    KubernetesIngressNginx {
        endpoint: String,
        token: String,
        cert_auth_file_path: String,
        throttle_duration: Timespan,
        watch_namespace: String,
        watch_namespace_selector: String,
        ingress_class: String,
        controller_class: String,
        watch_ingress_without_class: bool,
        ingress_class_by_name: bool,
        publish_service: String,
        publish_status_address: Vec<String>,
        default_backend_service: String,
        #[serde(rename = "disableSvcExternalName")]
        disable_svc_external_name: bool,
        allow_cross_namespace_resources: bool,
        allow_snippet_annotations: bool,
        client_body_buffer_size: i64,
        #[serde(rename = "customHTTPErrors")]
        custom_http_errors: Vec<String>,
        global_allowed_response_headers: Vec<String>,
        #[serde(rename = "globalAuthURL")]
        global_auth_url: String,
        http_entry_point: String,
        https_entry_point: String,
        ip_allow_list_strategy: Option<baton_routing::config::IpStrategy>,
        proxy_body_size: i64,
        proxy_buffering: bool,
        proxy_buffer_size: i64,
        proxy_buffers_number: i64,
        proxy_connect_timeout: i64,
        proxy_next_upstream: String,
        proxy_next_upstream_timeout: i64,
        proxy_next_upstream_tries: i64,
        proxy_read_timeout: i64,
        proxy_request_buffering: bool,
        proxy_send_timeout: i64,
        strict_validate_path_type: bool,
        upstream_keepalive_timeout: i64,
    }

    KubernetesCrd {
        endpoint: String,
        token: String,
        cert_auth_file_path: String,
        namespaces: Vec<String>,
        cross_provider_namespaces: Vec<String>,
        allow_cross_namespace: bool,
        allow_external_name_services: bool,
        allow_empty_services: bool,
        label_selector: String,
        ingress_class: String,
        throttle_duration: Timespan,
        #[serde(rename = "nativeLBByDefault")]
        native_lb_by_default: bool,
        disable_cluster_scope_resources: bool,
        #[serde(rename = "defaultTLSResourcesNamespace")]
        default_tls_resources_namespace: String,
        safe_naming: bool,
    }

    KubernetesGateway {
        endpoint: String,
        token: String,
        cert_auth_file_path: String,
        namespaces: Vec<String>,
        cross_provider_namespaces: Vec<String>,
        label_selector: String,
        throttle_duration: Timespan,
        experimental_channel: bool,
        status_address: Option<StatusAddress>,
        #[serde(rename = "nativeLBByDefault")]
        native_lb_by_default: bool,
        burst: i64,
        qps: f64,
        gateways: Vec<NamespacedService>,
    }

    StatusAddress {
        ip: String,
        hostname: String,
        service: Option<NamespacedService>,
    }

    NamespacedService {
        name: String,
        namespace: String,
    }

    Knative {
        endpoint: String,
        token: String,
        cert_auth_file_path: String,
        namespaces: Vec<String>,
        label_selector: String,
        public_entrypoints: Vec<String>,
        public_service: Option<NamespacedService>,
        private_entrypoints: Vec<String>,
        private_service: Option<NamespacedService>,
        throttle_duration: Timespan,
    }

    Rest {
        insecure: bool,
    }

    Nomad {
        default_rule: String,
        constraints: String,
        endpoint: Option<NomadEndpoint>,
        prefix: String,
        stale: bool,
        exposed_by_default: bool,
        refresh_interval: Timespan,
        allow_empty_services: bool,
        watch: bool,
        throttle_duration: Timespan,
        namespaces: Vec<String>,
    }

    NomadEndpoint {
        address: String,
        region: String,
        token: String,
        tls: Option<ClientTls>,
        endpoint_wait_time: Timespan,
    }

    Ecs {
        constraints: String,
        exposed_by_default: bool,
        refresh_seconds: i64,
        default_rule: String,
        clusters: Vec<String>,
        auto_discover_clusters: bool,
        healthy_tasks_only: bool,
        #[serde(rename = "ecsAnywhere")]
        ecs_anywhere: bool,
        region: String,
        #[serde(rename = "accessKeyID")]
        access_key_id: String,
        secret_access_key: String,
    }

    ConsulKv {
        root_key: String,
        endpoints: Vec<String>,
        token: String,
        tls: Option<ClientTls>,
        namespaces: Vec<String>,
    }

    Etcd {
        root_key: String,
        endpoints: Vec<String>,
        tls: Option<ClientTls>,
        username: String,
        password: String,
    }

    ZooKeeper {
        root_key: String,
        endpoints: Vec<String>,
        username: String,
        password: String,
    }

    Redis {
        root_key: String,
        endpoints: Vec<String>,
        tls: Option<ClientTls>,
        username: String,
        password: String,
        db: i64,
        sentinel: Option<Sentinel>,
    }

    Sentinel {
        master_name: String,
        username: String,
        password: String,
        latency_strategy: bool,
        random_strategy: bool,
        replica_strategy: bool,
        use_disconnected_replicas: bool,
    }
}

/// Options of a provider plugin: anything.
pub type PluginOptions = Named<serde_json::Value>;
