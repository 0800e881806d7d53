# Two proxies on two edge nodes, with unprivileged ports.
#
#   baton dev examples/edge.nomad examples/whoami.nomad

job "edge" {
  datacenters = ["dc1"]

  group "http" {
    count = 2

    constraint {
      attribute = "${meta.client_type}"
      value     = "edge"
    }

    constraint {
      operator = "distinct_hosts"
      value    = "true"
    }

    update {
      max_parallel     = 1
      health_check     = "checks"
      min_healthy_time = "1s"
      healthy_deadline = "1m"
    }

    network {
      port "web" {
        static = 8000
      }

      port "websecure" {
        static = 8443
      }

      port "api" {
        static = 8080
      }
    }

    task "proxy" {
      driver       = "raw_exec"
      kill_timeout = "20s"

      config {
        command = "baton"
        args    = ["proxy", "--configfile", "local/traefik.yml"]
      }

      resources {
        cpu    = 100
        memory = 64
      }

      service {
        name = "edge"
        port = "web"

        check {
          type     = "http"
          port     = "api"
          path     = "/ping"
          interval = "1s"
          timeout  = "1s"
        }
      }

      # Dynamic configuration: the API and dashboard, from this machine only.
      template {
        destination   = "local/traefik.d/api.yml"
        change_mode   = "signal"
        change_signal = "SIGHUP"

        data = <<EOF
http:
  routers:
    api:
      entryPoints:
        - "api"
      rule: "PathPrefix(`/api`) || PathPrefix(`/dashboard`)"
      service: "api@internal"
      middlewares:
        - "local-only"

  middlewares:
    local-only:
      ipAllowList:
        sourceRange:
          - "127.0.0.0/8"
          - "::1/128"
    secure-headers:
      headers:
        customResponseHeaders:
          server: ""
EOF
      }

      # Static configuration.
      template {
        destination   = "local/traefik.yml"
        change_mode   = "signal"
        change_signal = "SIGHUP"

        data = <<EOF
entryPoints:
  web:
    address: ":8000"
  websecure:
    address: ":8443"
  api:
    address: ":8080"

api:
  dashboard: true

ping:
  entryPoint: "api"

providers:
  file:
    directory: "local/traefik.d"

  consulCatalog:
    prefix: "traefik"
    exposedByDefault: false
    watch: true

    endpoint:
      address: "{{ envOrDefault "BATON_CATALOG_ADDR" "127.0.0.1:8500" }}"
      scheme: "http"

log:
  level: "INFO"
EOF
      }
    }
  }
}
