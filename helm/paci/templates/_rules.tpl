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
{{- $tls := .Values.tls -}}
{{- if and $tls.insecure (or $tls.certManager.enabled $tls.coordinatorSecret $tls.workerSecret $tls.clientSecret $tls.tokensSecret) -}}
{{- fail "tls.insecure is true, and Secrets or cert-manager are named; expected one of the two" -}}
{{- end -}}
{{- range $component := list "coordinator" "worker" -}}
{{- if not (or $tls.insecure (include "paci.tlsSecret" (dict "root" $ "component" $component))) -}}
{{- fail (printf "tls.%sSecret is empty; expected a Secret with tls.crt, tls.key and ca.crt, or tls.certManager.enabled, or tls.insecure on a network whose every pod is trusted" $component) -}}
{{- end -}}
{{- end -}}
{{- include "paci.metricsRules" . -}}
{{- if not (or (not .Values.job.enabled) $tls.insecure (include "paci.tlsSecret" (dict "root" $ "component" "client"))) -}}
{{- fail "job.enabled is true and tls.clientSecret is empty; expected a Secret of the role submit, for who submits it" -}}
{{- end -}}
{{- if and .Values.job.enabled (not .Values.job.file) -}}
{{- fail "job.enabled is true and job.file is empty; expected a job file, as with --set-file job.file=job.yaml" -}}
{{- end -}}
{{- end -}}

{{- define "paci.metricsRules" -}}
{{- $tls := .Values.metrics.tls -}}
{{- $shown := .Values.metrics.serviceMonitor.tokenSecret -}}
{{- if and (not $tls.enabled) (or $tls.workerSecret $tls.tokensSecret) -}}
{{- fail "metrics.tls.enabled is false, and Secrets are named in metrics.tls; expected none, since tokens are not sent in the clear" -}}
{{- end -}}
{{- if and $tls.enabled .Values.tls.insecure -}}
{{- fail "metrics.tls.enabled and tls.insecure are both true; expected one of the two: the coordinator's metrics show its certificate of tls" -}}
{{- end -}}
{{- if and $tls.enabled (not (include "paci.tlsSecret" (dict "root" . "component" "metrics"))) -}}
{{- fail "metrics.tls.workerSecret is empty; expected a Secret with tls.crt, tls.key and ca.crt, of a certificate with the name paci-metrics, or tls.certManager.enabled" -}}
{{- end -}}
{{- if and .Values.metrics.serviceMonitor.enabled $tls.tokensSecret (not $shown) -}}
{{- fail "metrics.tls.tokensSecret is set and metrics.serviceMonitor.tokenSecret is empty; expected a Secret with the token that Prometheus shows" -}}
{{- end -}}
{{- if and $shown (not $tls.tokensSecret) -}}
{{- fail "metrics.serviceMonitor.tokenSecret is set and metrics.tls.tokensSecret is empty; expected a token only where one is asked for" -}}
{{- end -}}
{{- end -}}
