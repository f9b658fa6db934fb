{{/* The coordinator's metrics show its own certificate, those of workers the one of "metrics". All are called with
(dict "root" $ "component" "worker"). */}}
{{- define "paci.metricsFlags" -}}
- --metrics=0.0.0.0:7071
{{- with .root.Values.metrics.tls -}}
{{- if .enabled }}
{{- $folder := eq $.component "worker" | ternary "metrics" "tls" }}
- --metrics-tls-cert=/etc/paci/{{ $folder }}/tls.crt
- --metrics-tls-key=/etc/paci/{{ $folder }}/tls.key
{{- if .tokensSecret }}
- --metrics-token-file=/etc/paci/metrics-tokens/tokens
{{- end }}
{{- end }}
{{- end -}}
{{- end -}}

{{- define "paci.metricsVolumes" -}}
{{- with .root.Values.metrics.tls -}}
{{- if and .enabled (eq $.component "worker") }}
- name: metrics-tls
  secret: {secretName: {{ include "paci.tlsSecret" (dict "root" $.root "component" "metrics") | quote }}, defaultMode: 0440}
{{- end }}
{{- if .tokensSecret }}
- name: metrics-tokens
  secret: {secretName: {{ .tokensSecret | quote }}, defaultMode: 0440}
{{- end }}
{{- end -}}
{{- end -}}

{{- define "paci.metricsMounts" -}}
{{- with .root.Values.metrics.tls -}}
{{- if and .enabled (eq $.component "worker") }}
- {name: metrics-tls, mountPath: /etc/paci/metrics, readOnly: true}
{{- end }}
{{- if .tokensSecret }}
- {name: metrics-tokens, mountPath: /etc/paci/metrics-tokens, readOnly: true}
{{- end }}
{{- end -}}
{{- end -}}

{{/* How a ServiceMonitor's endpoint reads them. */}}
{{- define "paci.metricsScrape" -}}
{{- if .root.Values.metrics.tls.enabled -}}
{{- $isWorker := eq .component "worker" -}}
{{- $shows := dict "root" .root "component" ($isWorker | ternary "metrics" "coordinator") -}}
scheme: https
tlsConfig:
  ca: {secret: {name: {{ include "paci.tlsSecret" $shows | quote }}, key: ca.crt}}
  serverName: {{ $isWorker | ternary "paci-metrics" (include "paci.coordinatorHost" .root) }}
{{- with .root.Values.metrics.serviceMonitor.tokenSecret }}
authorization:
  credentials: {name: {{ . | quote }}, key: token}
{{- end }}
{{- end -}}
{{- end -}}
