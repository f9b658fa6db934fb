{{- define "paci.workerAffinity" -}}
{{- $worker := .Values.worker -}}
{{- if $worker.affinity -}}
affinity:
  {{- toYaml $worker.affinity | nindent 2 }}
{{- else if $worker.neighbours.topologyKey -}}
{{- $selector := include "paci.selector" (dict "root" $ "component" "worker") -}}
affinity:
  podAffinity:
    {{- if $worker.neighbours.required }}
    requiredDuringSchedulingIgnoredDuringExecution:
      - topologyKey: {{ $worker.neighbours.topologyKey }}
        labelSelector:
          matchLabels:
            {{- $selector | nindent 12 }}
    {{- else }}
    preferredDuringSchedulingIgnoredDuringExecution:
      - weight: 100
        podAffinityTerm:
          topologyKey: {{ $worker.neighbours.topologyKey }}
          labelSelector:
            matchLabels:
              {{- $selector | nindent 14 }}
    {{- end }}
{{- end -}}
{{- end -}}

{{- define "paci.workerResources" -}}
{{- $resources := deepCopy .Values.worker.resources -}}
{{- with .Values.worker.gpu -}}
{{- if .count -}}
{{- $_ := set $resources "limits" (merge (dict .resource .count) ($resources.limits | default dict)) -}}
{{- end -}}
{{- end -}}
{{- toYaml $resources -}}
{{- end -}}

{{/* Files of jobs lie below the volumes; without any, nowhere that matters. */}}
{{- define "paci.roots" -}}
{{- $roots := list -}}
{{- range $name, $volume := .Values.storage -}}
{{- if include "paci.claim" (dict "root" $ "name" $name) -}}{{- $roots = append $roots $volume.mountPath -}}{{- end -}}
{{- end -}}
{{- range $roots | default (list "/tmp") }}
- --root={{ . }}
{{- end }}
{{- end -}}
