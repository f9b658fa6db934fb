{{/* The kubelet speaks no TLS with a gRPC server, so it asks for the metrics then; where those want a token, which it does not
have, pacictl asks for the health. */}}
{{- define "paci.coordinatorProbe" -}}
{{- if .Values.tls.insecure -}}
grpc: {port: 7070}
{{- else if .Values.metrics.tls.tokensSecret -}}
exec: {command: [pacictl, --coordinator=localhost:7070, --tls-ca=/etc/paci/tls/ca.crt, health]}
{{- else -}}
httpGet: {path: /metrics, port: metrics, scheme: {{ .Values.metrics.tls.enabled | ternary "HTTPS" "HTTP" }}}
{{- end -}}
{{- end -}}
