job "bad job" {
  type = "service"
  group "g" {
    count = -1
    restart {
      attempts = 10
      interval = "1m"
    }
    reschedule {
      attempts = 5
      interval = "1h"
    }
    update {
      healthy_deadline  = "10m"
      progress_deadline = "5m"
      auto_promote      = true
    }
    constraint {
      attribute = "${env.FOO}"
      value     = "1"
    }
    network {
      port "a" {
        static = 8080
      }
      port "b" {
        static = 8080
      }
    }
    task "t" {
      driver       = "raw_exec"
      kill_timeout = "6m"
      constraint {
        distinct_hosts = true
      }
      service {
        name = "my_service.x"
        port = "c"
        check {
          type    = "tcp"
          timeout = "100ms"
        }
      }
      template {
        data        = "x"
        destination = "../../etc/passwd"
      }
      template {
        destination = "../../etc/passwd"
        change_mode = "sometimes"
      }
      logs {
        max_files = 100
      }
    }
    task "t" {
      driver = "raw_exec"
      lifecycle {
        hook = "before"
      }
    }
  }
  group "g" {
  }
}
