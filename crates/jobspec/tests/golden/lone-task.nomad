job "lone" {
  vault {
    role = "reader"
  }
  task "solo" {
    driver       = "docker"
    kill_timeout = 1500000000
    leader       = "true"
    config {
      image = "example/solo:1"
      mount {
        type   = "bind"
        source = "/srv"
      }
    }
  }
  group "beside" {
    task "t" {
      driver = "raw_exec"
      config {
        command = "/bin/true"
      }
    }
  }
}
