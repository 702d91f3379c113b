{{/* The chart's short name. */}}
{{- define "pilothouse.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 44 | trimSuffix "-" -}}
{{- end -}}

{{/* Release and chart, short enough for the suffixes that components add. */}}
{{- define "pilothouse.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 44 | trimSuffix "-" -}}
{{- else -}}
{{- $name := include "pilothouse.name" . -}}
{{- if contains $name .Release.Name -}}
{{- .Release.Name | trunc 44 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 44 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* Labels of every object. Call with (dict "root" $ "component" "operator"). */}}
{{- define "pilothouse.labels" -}}
{{ include "pilothouse.selectorLabels" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" }}
{{- with .root.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* Labels that select a component's pods: they never change within a release. */}}
{{- define "pilothouse.selectorLabels" -}}
app.kubernetes.io/name: {{ include "pilothouse.name" .root }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end -}}

{{/* An image reference. Call with (dict "root" $ "image" .Values.operator.image). */}}
{{- define "pilothouse.image" -}}
{{- $registry := default .image.registry .root.Values.global.imageRegistry -}}
{{- $name := .image.repository -}}
{{- if $registry -}}{{- $name = printf "%s/%s" $registry $name -}}{{- end -}}
{{- if .image.digest -}}
{{- printf "%s@%s" $name .image.digest -}}
{{- else -}}
{{- printf "%s:%s" $name (default .root.Chart.AppVersion .image.tag) -}}
{{- end -}}
{{- end -}}

{{/* What every container of ours may do: nothing beyond its own files. */}}
{{- define "pilothouse.securityContext" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
runAsNonRoot: true
capabilities:
  drop: [ALL]
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{/* Placement of a component's pods. Call with (dict "root" $ "component" "operator" "values" .Values.operator). */}}
{{- define "pilothouse.placement" -}}
{{- with .values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .values.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
topologySpreadConstraints:
{{- if .values.topologySpreadConstraints }}
  {{- toYaml .values.topologySpreadConstraints | nindent 2 }}
{{- else }}
{{- $labels := include "pilothouse.selectorLabels" . }}
{{- range list "topology.kubernetes.io/zone" "kubernetes.io/hostname" }}
  - maxSkew: 1
    topologyKey: {{ . }}
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels:
        {{- $labels | nindent 8 }}
    matchLabelKeys: [pod-template-hash]
{{- end }}
{{- end }}
{{- end -}}

{{/* Secret in which somebody else keeps the control stream's certificate; empty where the operator issues it. */}}
{{- define "pilothouse.control.secret" -}}
{{- if .Values.controlTLS.certManager.enabled -}}
{{- default (printf "%s-operator-cert" (include "pilothouse.fullname" .)) .Values.controlTLS.secretName -}}
{{- else -}}
{{- .Values.controlTLS.secretName -}}
{{- end -}}
{{- end -}}

{{/* Namespaces in which the operator may read Secrets, a JSON list; empty: all. */}}
{{- define "pilothouse.secretNamespaces" -}}
{{- $watched := .Values.operator.watchNamespaces -}}
{{- $secrets := .Values.rbac.secrets -}}
{{- if $watched -}}
{{- range concat $secrets.namespaces $secrets.apiKeyNamespaces -}}
{{- if not (has . $watched) -}}
{{- fail (printf "rbac.secrets names the namespace %s, which operator.watchNamespaces does not: nothing there is served" .) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- default $watched $secrets.namespaces | toJson -}}
{{- end -}}

{{/* Namespaces in which it may list Secrets, to find API keys by their label, with commas between; empty: all. */}}
{{- define "pilothouse.apiKeyNamespaces" -}}
{{- $secrets := .Values.rbac.secrets -}}
{{- if and $secrets.resourceNames $secrets.apiKeyNamespaces -}}
{{- join "," $secrets.apiKeyNamespaces -}}
{{- else -}}
{{- include "pilothouse.secretNamespaces" . | fromJsonArray | join "," -}}
{{- end -}}
{{- end -}}

{{/* Annotations of the operator's ServiceAccount by which clouds know it. */}}
{{- define "pilothouse.identity.annotations" -}}
{{- with .Values.identity.aws.roleArn }}
eks.amazonaws.com/role-arn: {{ . | quote }}
{{- end }}
{{- with .Values.identity.azure.clientId }}
azure.workload.identity/client-id: {{ . | quote }}
{{- end }}
{{- with .Values.identity.azure.tenantId }}
azure.workload.identity/tenant-id: {{ . | quote }}
{{- end }}
{{- with .Values.identity.gcp.serviceAccount }}
iam.gke.io/gcp-service-account: {{ . | quote }}
{{- end }}
{{- end -}}

{{/* How callers reach the gateway. */}}
{{- define "pilothouse.gateway.scheme" -}}
{{- ternary "https" "http" (not (empty .Values.gateway.tls.secretName)) -}}
{{- end -}}
{{- define "pilothouse.gateway.port" -}}
{{- ternary .Values.gateway.tls.port .Values.gateway.service.port (not (empty .Values.gateway.tls.secretName)) -}}
{{- end -}}
