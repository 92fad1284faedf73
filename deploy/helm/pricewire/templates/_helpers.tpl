{{- define "pricewire.labels" -}}
app.kubernetes.io/name: pricewire
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}

{{- define "pricewire.selector" -}}
app.kubernetes.io/name: pricewire
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "pricewire.podSecurity" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
# Otherwise each start would let the group read files that nobody but the owner may.
fsGroupChangePolicy: OnRootMismatch
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{- define "pricewire.container" -}}
image: "{{ .Values.image.repository }}:{{ .Values.image.tag }}"
imagePullPolicy: {{ .Values.image.pullPolicy }}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: {drop: [ALL]}
ports:
  - {name: http, containerPort: 8080}
  - {name: metrics, containerPort: 9100}
livenessProbe:
  httpGet: {path: /healthz, port: metrics}
  periodSeconds: 10
  timeoutSeconds: 5
{{- end }}

{{- define "pricewire.bus" -}}
- name: PRICEWIRE_BUS
  valueFrom: {secretKeyRef: {name: {{ .Values.bus.secret }}, key: bus}}
{{- end }}
