# The shape most edges have: a proxy on two nodes, ports below the task, three rendered files.
job "edge" {
  datacenters = [
    "east"]

  group "proxy" {
    count = 2

    reschedule {
      attempts = 4
      interval = "30m"
      delay = "20s"
      delay_function = "constant"
      unlimited = false
    }

    restart {
      attempts = 2
      interval = "2m"
      delay = "10s"
      mode = "fail"
    }

    update {
      max_parallel = 1
      health_check = "checks"
      min_healthy_time = "5s"
      healthy_deadline = "1m"
      progress_deadline = "5m"
      stagger = "10s"
    }

    migrate {
      max_parallel = 1
      healthy_deadline = "3m"
    }

    constraint {
      attribute = "${meta.role}"
      value = "edge"
    }

    constraint {
      operator = "distinct_hosts"
      value = "true"
    }

    task "serve" {
      driver = "raw_exec"
      kill_timeout = "25s"

      config {
        command = "/usr/local/bin/edge-proxy"
        args = [
          "--configfile",
          "local/proxy.yml"]
      }

      resources {
        network {
          port "admin" {
            static = 18080
          }
        }
      }

      service {
        name = "edge-proxy"

        check {
          type = "http"
          port = "admin"
          path = "/ping"
          interval = "10s"
          timeout = "1s"
        }
      }

      env {
        KEY_FILE = "/etc/edge/key"
      }

      template {
        data = <<EOF
http:
  routers:
    admin:
      rule: "PathPrefix(`/api`)"
      service: "api@internal"
EOF
        destination = "local/dynamic/admin.yml"
        change_mode = "signal"
        change_signal = "sighup"
      }

      template {
        data = <<-EOF
          listen: ":{{ env "NOMAD_PORT_admin" }}"
            node: "${node.unique.name}"
          literal: $${NOT_OURS:-x}
        EOF
        destination = "local/proxy.yml"
        change_mode = "signal"
      }
    }
  }
}
