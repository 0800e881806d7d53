job "bad" {
  group "g" {
    task "t" {
      driver = "raw_exec"
      env {
        PATTERN = "^a\.b$"
        OTHER   = "$HOME"
      }
      template {
        destination = "local/x.sh"
        data        = <<EOF
echo ${FOO:-bar}
echo $${KEPT:-bar}
echo ${#array[@]}
EOF
      }
    }
  }
}
