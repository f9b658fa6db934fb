{{/* "-coordinator" and what Kubernetes adds to a StatefulSet's name still fit into a label's 63 characters. */}}
{{- define "paci.fullname" -}}
{{- $name := .Values.fullnameOverride -}}
{{- if not $name -}}
{{- $name = contains .Chart.Name .Release.Name | ternary .Release.Name (printf "%s-%s" .Release.Name .Chart.Name) -}}
{{- end -}}
{{- $name | trunc 40 | trimSuffix "-" -}}
{{- end -}}

{{/* Called with (dict "root" $ "component" "worker"). */}}
{{- define "paci.selector" -}}
app.kubernetes.io/name: {{ .root.Chart.Name }}
app.kubernetes.io/instance: {{ .root.Release.Name | quote }}
app.kubernetes.io/component: {{ .component }}
{{- end -}}

{{- define "paci.labels" -}}
{{ include "paci.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version }}
{{- end -}}

{{/* Called with (dict "root" $ "image" .Values.worker.image). */}}
{{- define "paci.image" -}}
{{- $repository := .image.repository -}}
{{- with .root.Values.image.registry -}}{{- $repository = printf "%s/%s" (trimSuffix "/" .) $repository -}}{{- end -}}
{{- if .image.digest -}}
{{ printf "%s@%s" $repository .image.digest }}
{{- else -}}
{{ printf "%s:%s" $repository (.image.tag | default .root.Chart.AppVersion) }}
{{- end -}}
{{- end -}}

{{- define "paci.coordinatorHost" -}}
{{ include "paci.fullname" . }}-coordinator.{{ .Release.Namespace }}.svc
{{- end -}}

{{- define "paci.coordinatorAddress" -}}
{{ include "paci.coordinatorHost" . }}:{{ .Values.coordinator.service.port }}
{{- end -}}

{{/* What pod security asks for at the restricted level, of a pod and of a container. */}}
{{- define "paci.podSecurity" -}}
runAsNonRoot: true
runAsUser: {{ int64 .Values.security.runAsUser }}
runAsGroup: {{ int64 .Values.security.runAsGroup }}
fsGroup: {{ int64 .Values.security.fsGroup }}
fsGroupChangePolicy: OnRootMismatch
seccompProfile: {type: RuntimeDefault}
{{- end -}}

{{- define "paci.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end -}}

{{/* The claim of a volume that all workers mount; nothing if there is none. Called with (dict "root" $ "name" "data"). */}}
{{- define "paci.claim" -}}
{{- $volume := get .root.Values.storage .name -}}
{{- if $volume.existingClaim -}}
{{ $volume.existingClaim }}
{{- else if $volume.size -}}
{{ include "paci.fullname" .root }}-{{ .name }}
{{- end -}}
{{- end -}}

{{/* Where a pod may be: fields of its spec. Called with a component's values. */}}
{{- define "paci.placement" -}}
{{- range $field := list "nodeSelector" "tolerations" "priorityClassName" -}}
{{- with get $ $field }}
{{ dict $field . | toYaml }}
{{- end }}
{{- end }}
{{- end -}}
