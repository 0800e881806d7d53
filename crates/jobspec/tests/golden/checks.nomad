job "checks" {
  group "web" {
    shutdown_delay = "5s"

    network {
      mode = "host"
      port "http" {
        to = -1
      }
      port "admin" {
        static       = 9000
        host_network = "private"
      }
      dns {
        servers = ["10.0.0.2"]
      }
    }

    service {
      provider = "nomad"
      name     = "web-${TASKGROUP}"
      port     = "http"
      tags     = ["a", "b"]
      meta {
        version = 2
      }
      check {
        name     = "alive"
        type     = "http"
        path     = "/health"
        interval = "2s"
        timeout  = "1s"
        header {
          Host   = ["example.org"]
          Accept = ["text/plain", "*/*"]
        }
        check_restart {
          limit = 3
          grace = "30s"
        }
      }
    }

    task "main" {
      driver      = "raw_exec"
      leader      = true
      kill_signal = "SIGQUIT"
      config {
        command = "${NOMAD_TASK_DIR}/run"
      }
      action "reload" {
        command = "/bin/kill"
        args    = ["-HUP", "1"]
      }
    }

    task "prepare" {
      driver = "raw_exec"
      lifecycle {
        hook = "prestart"
      }
      config {
        command = "/bin/true"
      }
    }
  }
}
