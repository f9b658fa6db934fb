{{/* What a schema cannot say: rules of several values. */}}
{{- define "paci.rules" -}}
{{- $coordinator := .Values.coordinator -}}
{{- if gt (mulf 2 $coordinator.reportIntervalSeconds) (float64 $coordinator.leaseSeconds) -}}
{{- fail (printf "coordinator.reportIntervalSeconds is %v; expected at most half of coordinator.leaseSeconds, which is %v" $coordinator.reportIntervalSeconds $coordinator.leaseSeconds) -}}
{{- end -}}
{{- range $name, $volume := .Values.storage -}}
{{- if and $volume.existingClaim $volume.size -}}
{{- fail (printf "storage.%s has both existingClaim and size; expected one: a claim that exists, or the size of one to be made" $name) -}}
{{- end -}}
{{- end -}}
{{- if eq .Values.storage.data.mountPath .Values.storage.checkpoints.mountPath -}}
{{- fail (printf "storage.data.mountPath and storage.checkpoints.mountPath are both %s; expected two folders" .Values.storage.data.mountPath) -}}
{{- end -}}
{{- if and .Values.job.enabled (not .Values.job.file) -}}
{{- fail "job.enabled is true and job.file is empty; expected a job file, as with --set-file job.file=job.yaml" -}}
{{- end -}}
{{- end -}}
