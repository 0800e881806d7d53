job "backup" {
  type     = "batch"
  priority = "70"

  periodic {
    cron             = "*/15 3 * * 1-5"
    prohibit_overlap = true
    time_zone        = "Europe/Paris"
  }

  parameterized {
    payload       = "required"
    meta_required = ["table"]
  }

  group "dump" {
    max_run_duration = "1h30m"

    ephemeral_disk {
      size   = 500
      sticky = true
    }

    volume "data" {
      type      = "host"
      source    = "backups"
      read_only = false
    }

    task "dump" {
      driver = "raw_exec"
      user   = "backup"
      dispatch_payload {
        file = "tables.txt"
      }
      artifact {
        source = "https://example.org/dump.tar.gz"
        mode   = "file"
        options {
          checksum = "md5:0cc175b9c0f1b6a831c399e269772661"
        }
      }
      volume_mount {
        volume      = "data"
        destination = "/data"
      }
      config {
        command = "/bin/sh"
        args    = ["-c", "echo ${NOMAD_ALLOC_INDEX} of $NOMAD_META_table"]
      }
    }
  }
}
