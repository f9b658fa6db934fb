{{/* The spec of a pod that submits a job file of a ConfigMap. Called with (dict "root" $ "config" NAME "flags" (list ...)). */}}
{{- define "paci.submitPod" -}}
{{- $root := .root -}}
restartPolicy: Never
automountServiceAccountToken: false
enableServiceLinks: false
{{- with $root.Values.image.pullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
securityContext:
  {{- include "paci.podSecurity" $root | nindent 2 }}
{{- with include "paci.placement" $root.Values.coordinator }}
{{- . | nindent 0 }}
{{- end }}
containers:
  - name: pacictl
    image: {{ include "paci.image" (dict "root" $root "image" $root.Values.coordinator.image) }}
    imagePullPolicy: {{ $root.Values.image.pullPolicy }}
    command: [pacictl]
    args:
      - submit
      - /job/job.yaml
      {{- range .flags }}
      - {{ . }}
      {{- end }}
    env:
      - {name: PACI_COORDINATOR, value: "{{ include "paci.coordinatorAddress" $root }}"}
    resources:
      requests: {cpu: 10m, memory: 32Mi}
      limits: {memory: 256Mi}
    securityContext:
      {{- include "paci.containerSecurity" $root | nindent 6 }}
    volumeMounts:
      - {name: job, mountPath: /job, readOnly: true}
volumes:
  - name: job
    configMap: {name: {{ .config }}}
{{- end -}}
