job "bad" {
  datacenter = ["dc1"]
  group "g" {
    cout = 2
    container {
    }
    update = {
      max_parallel = 1
    }
    task "t" {
      driver       = "raw_exec"
      kill_timeout = "1d"
      config {
        command = basname("/bin/true")
      }
      template {
        data        = "x"
        destination = "local/${local.missing}"
        wait {
          min = "1s"
        }
      }
    }
  }
}
