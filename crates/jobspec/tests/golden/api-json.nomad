{
  "Job": {
    "ID": "from-api",
    "Name": "from-api",
    "Type": "service",
    "Datacenters": ["dc1"],
    "TaskGroups": [
      {
        "Name": "g",
        "Count": 2,
        "Update": {"MaxParallel": 2, "HealthyDeadline": 60000000000},
        "RestartPolicy": null,
        "Tasks": [
          {"Name": "t", "Driver": "raw_exec", "Config": {"command": "/bin/true"}, "ShutdownDelay": 1000000000, "KillTimeout": -5}
        ]
      }
    ]
  }
}
