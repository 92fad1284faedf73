"""OpenTelemetry: traces of requests, and the metrics, sent to a collector where the standard variables name one."""
