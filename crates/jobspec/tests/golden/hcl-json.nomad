{
  "//": "HCL in JSON",
  "variable": {"count": {"type": "number", "default": 2}},
  "job": {
    "spelled": {
      "type": "batch",
      "meta": {"a": "${var.count}", "b": "${meta.rack}"},
      "group": {
        "g": {
          "count": "${var.count + 1}",
          "constraint": [
            {"attribute": "${meta.rack}", "value": "r1"},
            {"distinct_hosts": true}
          ],
          "task": [
            {"one": {"driver": "raw_exec", "config": {"command": "/bin/true", "args": ["${NOMAD_ALLOC_ID}"]}, "kill_timeout": "7s"}},
            {"two": {"driver": "raw_exec", "lifecycle": {"hook": "poststop"}, "env": {"A": 1}}}
          ]
        }
      }
    }
  }
}
