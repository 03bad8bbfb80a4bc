package check

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"reflect"
	"slices"
	"strings"
	"testing"

	monitoring "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	apps "k8s.io/api/apps/v1"
	core "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
	policy "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/util/validation"
	"sigs.k8s.io/yaml"
)

// helm runs the real tool. The version of Kubernetes is said, since a helm that the Go tool built assumes an ancient one.
func helm(args ...string) (string, error) {
	c := exec.Command("go", append([]string{"run", "helm.sh/helm/v3/cmd/helm@v3.22.0"}, args...)...)
	var out, errs bytes.Buffer
	c.Stdout, c.Stderr = &out, &errs
	err := c.Run()
	if err != nil {
		return out.String() + errs.String(), err
	}
	return out.String(), nil
}

const (
	chart  = "../chart"
	oldest = "1.27.0" // as Chart.yaml says
	newest = "1.37.0"
)

// kinds are the types into which documents are decoded, by apiVersion and kind.
var kinds = map[string]func() any{
	"apps/v1 Deployment":                      func() any { return new(apps.Deployment) },
	"v1 Service":                              func() any { return new(core.Service) },
	"v1 ServiceAccount":                       func() any { return new(core.ServiceAccount) },
	"v1 PersistentVolumeClaim":                func() any { return new(core.PersistentVolumeClaim) },
	"networking.k8s.io/v1 NetworkPolicy":      func() any { return new(networking.NetworkPolicy) },
	"networking.k8s.io/v1 Ingress":            func() any { return new(networking.Ingress) },
	"policy/v1 PodDisruptionBudget":           func() any { return new(policy.PodDisruptionBudget) },
	"monitoring.coreos.com/v1 ServiceMonitor": func() any { return new(monitoring.ServiceMonitor) },
}

// render gives the chart's documents by kind, each decoded strictly.
func render(t *testing.T, args ...string) map[string][]any {
	t.Helper()
	out, err := helm(append([]string{"template", "release", chart}, args...)...)
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	docs := map[string][]any{}
	for text := range strings.SplitSeq(out, "\n---\n") {
		var head struct {
			APIVersion string `json:"apiVersion"`
			Kind       string `json:"kind"`
		}
		if err := yaml.Unmarshal([]byte(text), &head); err != nil {
			t.Fatalf("%v in\n%s", err, text)
		}
		if head.Kind == "" {
			continue // a comment
		}
		make, ok := kinds[head.APIVersion+" "+head.Kind]
		if !ok {
			t.Fatalf("no type for %s %s", head.APIVersion, head.Kind)
		}
		doc := make()
		if err := yaml.UnmarshalStrict([]byte(text), doc); err != nil {
			t.Errorf("%v in\n%s", err, text)
		}
		docs[head.Kind] = append(docs[head.Kind], doc)
	}
	return docs
}

func TestChart(t *testing.T) {
	all := []string{"Deployment", "Ingress", "NetworkPolicy", "PodDisruptionBudget", "Service", "ServiceAccount", "ServiceMonitor"}
	for _, c := range []struct {
		values  string
		version string
		kinds   []string
	}{
		{"sqlite", oldest, []string{"Deployment", "NetworkPolicy", "PersistentVolumeClaim", "PodDisruptionBudget", "Service", "ServiceAccount"}},
		{"postgres", newest, all},
		{"setup", newest, []string{"Deployment", "NetworkPolicy", "PersistentVolumeClaim", "PodDisruptionBudget", "Service", "ServiceAccount"}},
	} {
		t.Run(c.values, func(t *testing.T) {
			args := []string{"--kube-version", c.version, "--values", chart + "/ci/" + c.values + "-values.yaml"}
			if out, err := helm(append([]string{"lint", "--strict", chart}, args...)...); err != nil {
				t.Errorf("lint: %v\n%s", err, out)
			}
			docs := render(t, args...)
			if got := slices.Sorted(maps.Keys(docs)); !slices.Equal(got, c.kinds) {
				t.Errorf("rendered %q, want %q", got, c.kinds)
			}
			holds(t, docs)
		})
	}
}

// holds checks what types do not tell: that documents refer to each other, and that the pod is as locked up as the chart says.
func holds(t *testing.T, docs map[string][]any) {
	t.Helper()
	for kind, list := range docs {
		for _, d := range list {
			meta := reflect.ValueOf(d).Elem().FieldByName("ObjectMeta").FieldByName("Name").String()
			if problems := validation.IsDNS1123Label(meta); len(problems) > 0 {
				t.Errorf("%s %q: %v", kind, meta, problems)
			}
		}
	}
	deployment := docs["Deployment"][0].(*apps.Deployment)
	pod := deployment.Spec.Template
	matches := func(what string, selector map[string]string) {
		for k, v := range selector {
			if pod.Labels[k] != v || len(selector) == 0 {
				t.Errorf("%s selects %v, the pod has %v", what, selector, pod.Labels)
			}
		}
	}
	matches("the Deployment", deployment.Spec.Selector.MatchLabels)
	for _, s := range docs["Service"] {
		matches("a Service", s.(*core.Service).Spec.Selector)
	}
	matches("the NetworkPolicy", docs["NetworkPolicy"][0].(*networking.NetworkPolicy).Spec.PodSelector.MatchLabels)
	matches("the PodDisruptionBudget", docs["PodDisruptionBudget"][0].(*policy.PodDisruptionBudget).Spec.Selector.MatchLabels)
	c := pod.Spec.Containers[0]
	ports := map[string]bool{}
	for _, p := range c.Ports {
		ports[p.Name] = true
	}
	served := map[string]bool{}
	for _, s := range docs["Service"] {
		for _, p := range s.(*core.Service).Spec.Ports {
			served[p.Name] = true
			if !ports[p.TargetPort.StrVal] {
				t.Errorf("a Service leads to the port %q, the container has %v", p.TargetPort.StrVal, ports)
			}
		}
	}
	for _, m := range docs["ServiceMonitor"] {
		if p := m.(*monitoring.ServiceMonitor).Spec.Endpoints[0].Port; !served[p] {
			t.Errorf("the ServiceMonitor asks port %q of the Services' %v", p, served)
		}
	}
	settingUp := slices.ContainsFunc(docs["Service"], func(s any) bool { return s.(*core.Service).Spec.PublishNotReadyAddresses })
	for what, p := range map[string]*core.Probe{"startup": c.StartupProbe, "liveness": c.LivenessProbe, "readiness": c.ReadinessProbe} {
		if p == nil || p.HTTPGet == nil || !ports[p.HTTPGet.Port.StrVal] || p.HTTPGet.Path != map[bool]string{true: "/healthz", false: "/readyz"}[what == "liveness" || what == "startup" && settingUp] {
			t.Errorf("the %s probe: %+v", what, p)
		}
	}
	yes := func(b *bool) bool { return b != nil && *b }
	no := func(b *bool) bool { return b != nil && !*b }
	s, whole := c.SecurityContext, pod.Spec.SecurityContext
	if !yes(whole.RunAsNonRoot) || *whole.RunAsUser == 0 || whole.SeccompProfile.Type != core.SeccompProfileTypeRuntimeDefault ||
		!yes(s.ReadOnlyRootFilesystem) || !no(s.AllowPrivilegeEscalation) || !slices.Equal(s.Capabilities.Drop, []core.Capability{"ALL"}) || !no(pod.Spec.AutomountServiceAccountToken) {
		t.Errorf("the pod may do too much: %+v %+v", whole, s)
	}
	volumes := map[string]bool{}
	for _, v := range pod.Spec.Volumes {
		volumes[v.Name] = true
	}
	for _, m := range c.VolumeMounts {
		if !volumes[m.Name] {
			t.Errorf("no volume %q", m.Name)
		}
	}
	seen := map[string]bool{}
	for _, e := range c.Env {
		if seen[e.Name] {
			t.Errorf("%s is set twice", e.Name)
		}
		seen[e.Name] = true
		if strings.Contains(e.Value, "e+") {
			t.Errorf("%s=%s: a number was written as people do not", e.Name, e.Value)
		}
	}
}

// TestChartRefuses holds that wrong values are refused with a word on what is wrong.
func TestChartRefuses(t *testing.T) {
	for _, c := range []struct{ set, want string }{
		{"image.repository=", "/image/repository"},
		{"github.secretName=", "github.secretName: the name of a Secret with the App's key, or setup.enabled to register one"},
		{"github.appId=", "github.appId: the App's id, or setup.enabled"},
		{"setup.enabled=true,replicas=2,database.type=postgres,database.postgres.secretName=x", "setup.enabled: the secrets are in the volume of one instance"},
		{"github.appId=abc", "/github/appId"},
		{"replicas=2", "SQLite serves one instance"},
		{"database.type=mysql", "/database/type"},
		{"database.type=postgres", "the name of a Secret with the database's URL"},
		{"settings.worker=3", "'worker' not allowed"},
		{"settings.webhook_secret=x", "'webhook_secret' not allowed"},
		{"metrics.serviceMonitor.enabled=true", "set metrics.enabled too"},
		{"ingress.enabled=true", "the host name under which GitHub reaches the webhook"},
		{"terminationGracePeriodSeconds=5", "/terminationGracePeriodSeconds"},
		{"replica=1", "'replica' not allowed"},
	} {
		out, err := helm("template", "release", chart, "--kube-version", newest, "--values", chart+"/ci/sqlite-values.yaml", "--set", c.set)
		if err == nil || !strings.Contains(out, c.want) {
			t.Errorf("%s: %v, want %q in\n%s", c.set, err, c.want, out)
		}
	}
}

// TestChartVariants renders single choices.
func TestChartVariants(t *testing.T) {
	base := []string{"--kube-version", newest, "--values", chart + "/ci/sqlite-values.yaml"}
	docs := render(t, append(base, "--set", "database.sqlite.existingClaim=mine,networkPolicy.enabled=true,serviceAccount.create=false,serviceAccount.name=own,metrics.enabled=true")...)
	if docs["PersistentVolumeClaim"] != nil || docs["ServiceAccount"] != nil || len(docs["Service"]) != 2 {
		t.Errorf("rendered %v", slices.Sorted(maps.Keys(docs)))
	}
	holds(t, docs)
	pod := docs["Deployment"][0].(*apps.Deployment).Spec.Template.Spec
	if pod.ServiceAccountName != "own" || !slices.ContainsFunc(pod.Volumes, func(v core.Volume) bool {
		return v.PersistentVolumeClaim != nil && v.PersistentVolumeClaim.ClaimName == "mine"
	}) {
		t.Errorf("account %q, volumes %+v", pod.ServiceAccountName, pod.Volumes)
	}
	if in := docs["NetworkPolicy"][0].(*networking.NetworkPolicy).Spec.Ingress; len(in) != 1 {
		t.Errorf("metrics are open to %+v, with nobody named", in)
	}
	long := strings.Repeat("long", 13) // a release's name may have 53 letters
	out, err := helm(append([]string{"template", long, chart, "--set", "metrics.enabled=true"}, base...)...)
	if err != nil {
		t.Fatal(out)
	}
	for line := range strings.Lines(out) {
		if name, ok := strings.CutPrefix(strings.TrimSpace(line), "name: "); ok && len(name) > validation.DNS1123LabelMaxLength {
			t.Errorf("%q is too long", name)
		}
	}
	if !strings.Contains(out, fmt.Sprintf("app.kubernetes.io/instance: %s\n", long)) {
		t.Error("the instance is not named")
	}
}

// TestChartSetsUp holds that with setup.enabled nothing is mounted that setup would have to write first, and writes down what the program finds.
func TestChartSetsUp(t *testing.T) {
	values := []string{"--kube-version", newest, "--values", chart + "/ci/setup-values.yaml"}
	docs := render(t, values...)
	deployment := docs["Deployment"][0].(*apps.Deployment)
	pod := deployment.Spec.Template.Spec
	c := pod.Containers[0]
	found := layout{User: int(*pod.SecurityContext.RunAsUser), Args: c.Args, Env: imageEnv(t), Writable: map[string]string{}}
	for _, e := range c.Env {
		found.Env[e.Name] = e.Value
	}
	for _, m := range c.VolumeMounts {
		i := slices.IndexFunc(pod.Volumes, func(v core.Volume) bool { return v.Name == m.Name })
		switch v := pod.Volumes[i]; {
		case v.PersistentVolumeClaim != nil && v.PersistentVolumeClaim.ClaimName == docs["PersistentVolumeClaim"][0].(*core.PersistentVolumeClaim).Name:
			found.Writable[m.MountPath] = "kept"
		case v.EmptyDir != nil:
			found.Writable[m.MountPath] = "lost"
		default:
			t.Errorf("%s mounts %+v", m.MountPath, v)
		}
	}
	found.hold(t, "chart")
	both := render(t, append(values, "--set", "database.type=postgres,database.postgres.secretName=x")...)
	if len(both["PersistentVolumeClaim"]) != 1 || both["Deployment"][0].(*apps.Deployment).Spec.Strategy.Type != apps.RecreateDeploymentStrategyType {
		t.Error("with PostgreSQL the secrets have no volume, or two pods at once have it")
	}
	notes, err := os.ReadFile(chart + "/templates/NOTES.txt")
	if err != nil || !strings.Contains(string(notes), "-- /relbot setup secret {{ $name }}-github") {
		t.Errorf("the notes do not say how the secrets move: %v %s", err, notes)
	}
}
