//! Where traces, metrics and logs could be sent.

use baton_routing::config::{ClientTls, Named, Timespan};

use super::options;

options! {
    Tracing {
        service_name: String,
        resource_attributes: Named<String>,
        captured_request_headers: Vec<String>,
        captured_response_headers: Vec<String>,
        safe_query_params: Vec<String>,
        sample_rate: f64,
        add_internals: bool,
        global_attributes: Named<String>,
        otlp: Option<Otlp>,
    }

    /// An OpenTelemetry collector.
    Otlp {
        service_name: String,
        resource_attributes: Named<String>,
        grpc: Option<OtlpGrpc>,
        http: Option<OtlpHttp>,
    }

    OtlpGrpc {
        endpoint: String,
        insecure: bool,
        headers: Named<String>,
        tls: Option<ClientTls>,
    }

    OtlpHttp {
        endpoint: String,
        headers: Named<String>,
        tls: Option<ClientTls>,
    }

    OtlpMetrics {
        service_name: String,
        resource_attributes: Named<String>,
        grpc: Option<OtlpGrpc>,
        http: Option<OtlpHttp>,
        add_entry_points_labels: bool,
        add_routers_labels: bool,
        add_services_labels: bool,
        explicit_boundaries: Vec<f64>,
        push_interval: Timespan,
    }

    Datadog {
        address: String,
        push_interval: Timespan,
        add_entry_points_labels: bool,
        add_routers_labels: bool,
        add_services_labels: bool,
        prefix: String,
    }

    StatsD {
        address: String,
        push_interval: Timespan,
        add_entry_points_labels: bool,
        add_routers_labels: bool,
        add_services_labels: bool,
        prefix: String,
    }

    InfluxDb2 {
        address: String,
        token: String,
        push_interval: Timespan,
        org: String,
        bucket: String,
        add_entry_points_labels: bool,
        add_routers_labels: bool,
        add_services_labels: bool,
        additional_labels: Named<String>,
    }
}
