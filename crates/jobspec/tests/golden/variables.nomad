variable "replicas" {
  type        = number
  default     = 3
  description = "how many"
  validation {
    condition     = var.replicas > 0
    error_message = "At least one."
  }
}

variable "zones" {
  type    = list(string)
  default = ["north", "south"]
}

locals {
  label = "${local.first}-${length(var.zones)}"
  first = upper(var.zones[0])
  files = { for zone in var.zones : zone => "local/${zone}.conf" }
}

job "variables" {
  datacenters = [for zone in var.zones : format("dc-%s", zone)]

  meta = {
    "team.owner" = "infra"
    label        = local.label
  }

  dynamic "group" {
    for_each = var.zones
    iterator = zone
    labels   = ["g-${zone.value}"]
    content {
      count = zone.key == 0 ? var.replicas : 1
      task "run" {
        driver = "raw_exec"
        env    = { for key, value in local.files : "FILE_${upper(key)}" => value }
        config {
          command = "/bin/run"
          args    = concat(["--zone", zone.value], [jsonencode({ n = var.replicas })])
        }
        dynamic "template" {
          for_each = local.files
          content {
            destination = template.value
            data        = <<-EOT
              %{ for name in var.zones ~}
              zone ${name}
              %{ endfor ~}
              %{ if template.key == zone.value }own%{ else }other%{ endif }
            EOT
          }
        }
      }
    }
  }
}
