# A backend that is found through its tags.
#
#   curl -H 'Host: whoami.localhost' http://127.0.0.11:8000/

job "whoami" {
  datacenters = ["dc1"]

  group "web" {
    count = 2

    update {
      max_parallel     = 1
      min_healthy_time = "1s"
      healthy_deadline = "1m"
    }

    network {
      port "http" {}
    }

    task "whoami" {
      driver = "raw_exec"

      config {
        command = "baton"
        args    = ["whoami"]
      }

      resources {
        cpu    = 50
        memory = 32
      }

      service {
        name = "whoami"
        port = "http"

        tags = [
          "traefik.enable=true",
          "traefik.http.routers.whoami.rule=Host(`whoami.localhost`)",
          "traefik.http.routers.whoami.entrypoints=web",
          "traefik.http.routers.whoami.middlewares=secure-headers@file",
        ]

        check {
          type     = "http"
          path     = "/health"
          interval = "1s"
          timeout  = "1s"
        }
      }
    }
  }
}
