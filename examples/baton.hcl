# One machine: plans and runs jobs, keeps the catalog. Every key and its default: docs/agent.md

# The default for root; for others $XDG_STATE_HOME/baton.
data_dir = "/var/lib/baton"

datacenter = "dc1"
log_level  = "info"

# The API answers on loopback only, which is also the default.
addresses {
  http = "127.0.0.1"
}

server {
  enabled = true
}

client {
  enabled = true

  # What constraints in job files can ask for: ${meta.traefik}
  meta {
    traefik = "true"
  }

  # Kept back from jobs.
  reserved {
    cpu            = 100
    memory         = 128
    reserved_ports = "22"
  }
}

# A real Consul instead of the embedded catalog:
# consul {
#   address = "127.0.0.1:8500"
# }
