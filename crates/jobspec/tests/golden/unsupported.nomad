job "elsewhere" {
  multiregion {
    region "west" {}
  }
  group "mesh" {
    network {
      mode = "bridge"
    }
    service {
      name = "api"
      port = "9001"
      connect {
        sidecar_service {}
      }
    }
    volume "shared" {
      type            = "csi"
      source          = "vol"
      access_mode     = "single-node-writer"
      attachment_mode = "file-system"
    }
    task "api" {
      driver         = "java"
      shutdown_delay = "1s"
      config {
        jar_path = "local/api.jar"
      }
      resources {
        device "nvidia/gpu" {}
        numa {
          affinity = "require"
        }
      }
      identity {
        name = "vault"
        aud  = ["vault.io"]
      }
    }
  }
}
