{{/* The spec of a pod that submits a job file of a ConfigMap. Called with (dict "root" $ "config" NAME "flags" (list ...)). */}}
{{- define "paci.submitPod" -}}
{{- $root := .root -}}
{{- $names := dict "root" $root "component" "client" -}}
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
      {{- include "paci.tlsFlags" $root | nindent 6 }}
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
      {{- with include "paci.tlsMount" $names }}
      {{- . | nindent 6 }}
      {{- end }}
volumes:
  - name: job
    configMap: {name: {{ .config }}}
  {{- with include "paci.tlsVolume" $names }}
  {{- . | nindent 2 }}
  {{- end }}
{{- end -}}
