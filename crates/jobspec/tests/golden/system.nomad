job "agent" {
  type        = "system"
  node_pool   = "all"
  datacenters = ["*"]

  group "agent" {
    constraint {
      attribute        = "${attr.os.name}"
      set_contains_any = "debian,openbsd"
    }
    constraint {
      attribute = "${meta.rack}"
      is_set    = true
    }
    disconnect {
      lost_after = "6h"
    }
    task "agent" {
      driver = "raw_exec"
      config {
        command = "/usr/sbin/agent"
      }
      restart {
        mode             = "delay"
        render_templates = true
      }
      scaling "mem" {
        max = 500
        policy {
          cooldown = "1m"
        }
      }
    }
  }
}
