{{/* What a component shows of itself: the name of its Secret; nothing if it has none. "metrics" is what workers show at
--metrics. Called with (dict "root" $ "component" "worker"). */}}
{{- define "paci.tlsSecret" -}}
{{- if .root.Values.tls.certManager.enabled -}}
{{ include "paci.fullname" .root }}-{{ .component }}-tls
{{- else if eq .component "metrics" -}}
{{ .root.Values.metrics.tls.workerSecret }}
{{- else -}}
{{ get .root.Values.tls (printf "%sSecret" .component) }}
{{- end -}}
{{- end -}}

{{/* Flags of daemons and of pacictl. */}}
{{- define "paci.tlsFlags" -}}
{{- if .Values.tls.insecure -}}
- --insecure
{{- else -}}
- --tls-ca=/etc/paci/tls/ca.crt
- --tls-cert=/etc/paci/tls/tls.crt
- --tls-key=/etc/paci/tls/tls.key
{{- end -}}
{{- end -}}

{{/* The same arguments as paci.tlsSecret. A Secret that changes is seen by the daemons: it is mounted whole. */}}
{{- define "paci.tlsVolume" -}}
{{- with include "paci.tlsSecret" . -}}
- name: tls
  secret: {secretName: {{ . | quote }}, defaultMode: 0440}
{{- end -}}
{{- end -}}

{{- define "paci.tlsMount" -}}
{{- if include "paci.tlsSecret" . -}}
- {name: tls, mountPath: /etc/paci/tls, readOnly: true}
{{- end -}}
{{- end -}}
