"""What `launch.benchmark` times: models, data, metrics, and the memory of sampling."""
