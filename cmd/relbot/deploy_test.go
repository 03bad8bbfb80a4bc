package main

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/spf13/cobra"

	"github.com/relbot/relbot/internal/settings"
	"github.com/relbot/relbot/internal/store/postgres"
	"github.com/relbot/relbot/internal/telemetry"
	"github.com/relbot/relbot/internal/webhook"
)

const top = "../../"

// read gives a file of the repository.
func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(top + path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// texts are all files under some paths of the repository, by path.
func texts(t *testing.T, paths ...string) map[string]string {
	t.Helper()
	out := map[string]string{}
	for _, path := range paths {
		err := filepath.WalkDir(top+path, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || slices.Contains([]string{".go", ".png", ".sum"}, filepath.Ext(path)) {
				return err
			}
			text, err := os.ReadFile(path)
			out[strings.TrimPrefix(path, top)] = string(text)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return out
}

// metrics are all metrics of a server.
func metrics() []telemetry.Metric {
	m := telemetry.New(telemetry.Options{})
	m.Watch(telemetry.State{})
	return m.Metrics()
}

// TestDeployedSettings holds that no file under deploy and no document names a variable that relbot does not know.
func TestDeployedSettings(t *testing.T) {
	known := map[string]bool{"RELBOT_CONFIG": true}
	for _, s := range settings.Table {
		known[s.Env()] = true
	}
	found := 0
	for path, text := range texts(t, "deploy", "docs", "README.md") {
		for _, name := range regexp.MustCompile(`\bRELBOT_[A-Z_]*[A-Z]\b`).FindAllString(text, -1) {
			found++
			if !known[name] && !strings.HasPrefix(name, "RELBOT_TEST_") {
				t.Errorf("%s: no setting %s", path, name)
			}
		}
	}
	if found < 20 {
		t.Errorf("%d variables were found: where have they gone?", found)
	}
}

// TestDeployedMetrics holds the queries of alert rules and dashboard, and what documents say, against the metrics that there are.
func TestDeployedMetrics(t *testing.T) {
	labels := map[string][]string{}
	all := []string{"le", "instance", "job"}
	for _, m := range metrics() {
		labels[m.Name] = m.Labels
		all = append(all, m.Labels...)
	}
	used := map[string]bool{}
	for path, text := range texts(t, "deploy/prometheus", "deploy/grafana", "docs", "README.md") {
		text = strings.ReplaceAll(text, `\"`, `"`)
		for _, m := range regexp.MustCompile(`\b(relbot_[a-z_]+[a-z])(?:\{([^}]*)\})?`).FindAllStringSubmatch(text, -1) {
			name := m[1]
			if _, ok := labels[name]; !ok {
				name = regexp.MustCompile(`_(bucket|sum|count)$`).ReplaceAllString(name, "")
			}
			of, ok := labels[name]
			if !ok {
				t.Errorf("%s: no metric %s", path, m[1])
				continue
			}
			used[name] = true
			for _, l := range regexp.MustCompile(`([a-z]+)\s*[=!]`).FindAllStringSubmatch(m[2], -1) {
				if !slices.Contains(append([]string{"le", "instance", "job", "version"}, of...), l[1]) {
					t.Errorf("%s: %s has no label %s", path, name, l[1])
				}
			}
		}
		for _, by := range regexp.MustCompile(`\bby \(([^)]*)\)`).FindAllStringSubmatch(text, -1) {
			for l := range strings.SplitSeq(by[1], ",") {
				if !strings.HasSuffix(path, ".md") && !slices.Contains(all, strings.TrimSpace(l)) {
					t.Errorf("%s: by (%s): no metric has the label %s", path, by[1], l)
				}
			}
		}
	}
	for name := range labels {
		if !used[name] {
			t.Errorf("%s is in no document, no rule and no panel", name)
		}
	}
}

// TestAlertsExplained holds that the operating guide says what to do about each alert.
func TestAlertsExplained(t *testing.T) {
	guide := read(t, "docs/operating.md")
	alerts := regexp.MustCompile(`(?m)^ +- alert: (\w+)$`).FindAllStringSubmatch(read(t, "deploy/prometheus/alerts.yml"), -1)
	if len(alerts) == 0 {
		t.Fatal("no alerts")
	}
	for _, a := range alerts {
		if !strings.Contains(guide, "\n#### "+a[1]+"\n") {
			t.Errorf("docs/operating.md says nothing of %s", a[1])
		}
	}
}

// byChart are the settings that the chart sets itself, from values of other names.
var byChart = []string{"listen", "public_url", "database_url", "github_api_url", "github_app_id", "github_private_key", "github_private_key_file", "webhook_secret",
	"webhook_secret_file", "github_client_id", "github_client_secret", "github_client_secret_file", "admin_listen", "cache", "state"}

// schema is what the tests read of a JSON Schema.
type schema struct {
	Properties map[string]schema `json:"properties"`
	Additional any               `json:"additionalProperties"`
}

// TestChartValues holds the chart's schema against its values and against the settings.
func TestChartValues(t *testing.T) {
	var s schema
	if err := json.Unmarshal([]byte(read(t, "deploy/chart/values.schema.json")), &s); err != nil {
		t.Fatal(err)
	}
	var want []string
	for _, d := range settings.Table {
		if !slices.Contains(byChart, d.Name) {
			want = append(want, d.Name)
		}
	}
	var have []string
	for name := range s.Properties["settings"].Properties {
		have = append(have, name)
	}
	slices.Sort(want)
	slices.Sort(have)
	if !slices.Equal(have, want) {
		t.Errorf("values.schema.json has the settings %q, the program %q", have, want)
	}
	for _, name := range byChart {
		if !slices.ContainsFunc(settings.Table, func(d settings.Setting) bool { return d.Name == name }) {
			t.Errorf("the chart sets %s, which is no setting", name)
		}
	}
	var values map[string]any
	if err := yaml.Unmarshal([]byte(read(t, "deploy/chart/values.yaml")), &values); err != nil {
		t.Fatal(err)
	}
	var compare func(path string, s schema, v map[string]any)
	compare = func(path string, s schema, v map[string]any) {
		for key := range v {
			if _, ok := s.Properties[key]; !ok {
				t.Errorf("values.schema.json knows nothing of %s%s", path, key)
			}
		}
		for key, sub := range s.Properties {
			below, ok := v[key]
			if !ok && path+key != "global" {
				t.Errorf("values.yaml has no %s%s", path, key)
			}
			if m, ok := below.(map[string]any); ok && len(sub.Properties) > 0 && key != "settings" {
				compare(path+key+".", sub, m)
			}
		}
		if s.Additional != false {
			t.Errorf("values.schema.json lets %s have any key", path)
		}
	}
	compare("", s, values)
	if len(valueRows(read(t, "deploy/chart/values.yaml"))) < 40 {
		t.Error("the chart's values are not documented")
	}
}

// valueRow is a documented value of the chart.
type valueRow struct{ path, preset, doc string }

// valueRows reads what the comments of values.yaml say: a line `# -- text` above a key.
func valueRows(text string) []valueRow {
	var out []valueRow
	var stack []string // keys from the root, one a level of indentation
	doc, covered := "", -1
	for line := range strings.Lines(text) {
		trimmed := strings.TrimSpace(line)
		if about, ok := strings.CutPrefix(trimmed, "# -- "); ok {
			doc = about
			continue
		}
		key, preset, ok := strings.Cut(trimmed, ":")
		if !ok || strings.HasPrefix(trimmed, "#") {
			continue
		}
		level := (len(line) - len(strings.TrimLeft(line, " "))) / 2
		stack = append(stack[:level], key)
		if level <= covered {
			covered = -1
		}
		preset = strings.TrimSpace(preset)
		switch {
		case doc != "":
			out = append(out, valueRow{strings.Join(stack, "."), preset, doc})
			if preset == "" {
				covered = level // what is below is part of its default
			}
		case preset != "" && covered < 0:
			out = append(out, valueRow{strings.Join(stack, "."), preset, "(not documented)"})
		}
		doc = ""
	}
	return out
}

// values is the table of the chart's values.
func values() string {
	text, err := os.ReadFile(top + "deploy/chart/values.yaml")
	if err != nil {
		return err.Error()
	}
	var b strings.Builder
	b.WriteString("| value | default | meaning |\n|---|---|---|\n")
	for _, r := range valueRows(string(text)) {
		preset := ""
		if r.preset != "" && r.preset != `""` {
			preset = "`" + r.preset + "`"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", r.path, preset, r.doc)
	}
	return b.String()
}

func TestValuesDocumented(t *testing.T) {
	if table := values(); strings.Contains(table, "(not documented)") {
		t.Errorf("deploy/chart/values.yaml: values without a comment `# -- …`:\n%s", table)
	}
}

// TestUnitSetsTime holds that systemd waits for longer than the server takes to stop, and the image's probe for an answer.
func TestUnitSetsTime(t *testing.T) {
	m := regexp.MustCompile(`(?m)^TimeoutStopSec=(\d+)$`).FindStringSubmatch(read(t, "deploy/relbot.service"))
	if m == nil || m[1] != "30" || shutdownGrace.Seconds() >= 30 {
		t.Errorf("systemd waits for %v s, the server for %s", m, shutdownGrace)
	}
}

// TestDocumentedCommands holds that each command line and each flag in a document exists.
func TestDocumentedCommands(t *testing.T) {
	root := program()
	root.InitDefaultCompletionCmd() // as running it does
	lines := 0
	for path, text := range texts(t, "README.md", "docs", "deploy") {
		if filepath.Ext(path) != ".md" && filepath.Ext(path) != ".service" && filepath.Ext(path) != ".yml" {
			continue
		}
		var found []string
		for _, m := range regexp.MustCompile("`relbot ([a-z][^`]*)`").FindAllStringSubmatch(text, -1) {
			found = append(found, m[1])
		}
		for _, m := range regexp.MustCompile(`(?m)^\s*(?:\$ (?:[A-Z_]+=\S+ )*|(?:- )?run: |ExecStart=\S+/)relbot ([a-z].*)$`).FindAllStringSubmatch(text, -1) {
			found = append(found, m[1])
		}
		for _, line := range found {
			line, _, _ = strings.Cut(line, " #")
			lines++
			if err := could(root, line); err != nil {
				t.Errorf("%s: `relbot %s`: %v", path, line, err)
			}
		}
	}
	if lines < 15 {
		t.Errorf("%d command lines were found: where have they gone?", lines)
	}
}

// could says why a command line cannot be given.
func could(c *cobra.Command, line string) error {
	descending := true
	for word := range strings.FieldsSeq(line) {
		word = strings.Trim(word, "[]()…,")
		if name, ok := strings.CutPrefix(word, "--"); ok {
			name, _, _ = strings.Cut(name, "=")
			if c.Flags().Lookup(name) == nil && c.PersistentFlags().Lookup(name) == nil && c.InheritedFlags().Lookup(name) == nil && name != "help" {
				return fmt.Errorf("%s has no flag --%s", c.CommandPath(), name)
			}
			descending = false
			continue
		}
		if !descending || !c.HasSubCommands() {
			continue
		}
		var next *cobra.Command
		for name := range strings.SplitSeq(word, "|") { // several at once
			i := slices.IndexFunc(c.Commands(), func(s *cobra.Command) bool { return s.Name() == name })
			if i < 0 {
				return fmt.Errorf("%s has no command %s", c.CommandPath(), name)
			}
			next = c.Commands()[i]
		}
		c = next
	}
	return nil
}

// TestOperatingNames holds that what looks like a setting in the operating guide is one.
func TestOperatingNames(t *testing.T) {
	known := map[string]bool{"pg_dump": true, "max_connections": true, "pool_max_conns": true, "again_in": true} // PostgreSQL's, and a log line's
	for _, s := range settings.Table {
		known[s.Name] = true
	}
	for _, m := range metrics() {
		known[m.Name] = true
		for _, l := range m.Labels {
			known[l] = true
		}
	}
	for _, r := range webhook.Table {
		known[r.Event] = true
	}
	for _, m := range regexp.MustCompile("`([a-z]+(?:_[a-z]+)+)`").FindAllStringSubmatch(read(t, "docs/operating.md"), -1) {
		if !known[m[1]] {
			t.Errorf("docs/operating.md: %s is neither a setting, nor a metric, nor an event", m[1])
		}
	}
	if !strings.Contains(read(t, "docs/operating.md"), fmt.Sprintf("each instance may take %d,", postgres.Connections)) {
		t.Errorf("docs/operating.md does not say that an instance may take %d connections", postgres.Connections)
	}
}

// TestLinks holds that each link from a document to a file, and to a heading of it, leads somewhere.
func TestLinks(t *testing.T) {
	for path, text := range texts(t, "README.md", "docs", "deploy") {
		if filepath.Ext(path) != ".md" {
			continue
		}
		for _, m := range regexp.MustCompile(`\]\(([^)\s]+)\)`).FindAllStringSubmatch(text, -1) {
			target, heading, _ := strings.Cut(m[1], "#")
			if strings.Contains(target, ":") {
				continue
			}
			to := path
			if target != "" {
				to = filepath.Join(filepath.Dir(path), target)
			}
			info, err := os.Stat(top + to)
			if err != nil {
				t.Errorf("%s: the link to %s leads nowhere", path, m[1])
				continue
			}
			if heading == "" || info.IsDir() {
				continue
			}
			if !slices.Contains(headings(read(t, to)), heading) {
				t.Errorf("%s: no heading of %s is #%s", path, to, heading)
			}
		}
	}
}

// headings are the names by which GitHub lets link to a document's headings.
func headings(text string) []string {
	var out []string
	for _, m := range regexp.MustCompile(`(?m)^#+ (.+)$`).FindAllStringSubmatch(text, -1) {
		name := strings.ReplaceAll(strings.ToLower(m[1]), " ", "-")
		out = append(out, regexp.MustCompile(`[^\p{L}\p{N}_-]`).ReplaceAllString(name, ""))
	}
	return out
}

// TestDocumentedTargets holds that each `make` target in a document exists.
func TestDocumentedTargets(t *testing.T) {
	makefile := read(t, "Makefile")
	for path, text := range texts(t, "README.md", "docs") {
		for _, m := range regexp.MustCompile("(?m)(?:`|^)make ([a-z]+)").FindAllStringSubmatch(text, -1) {
			if !strings.Contains(makefile, "\n"+m[1]+": ") {
				t.Errorf("%s: no target %s", path, m[1])
			}
		}
	}
}

// TestProgram asks for what packagers ask for.
func TestProgram(t *testing.T) {
	out, errs, code := relbot(t, "version")
	if code != exitFine || !regexp.MustCompile(`^relbot \S+\ncommit .+\ngo1\.\S+ \w+/\w+\n$`).MatchString(out) {
		t.Errorf("version: exit %d: %q %s", code, out, errs)
	}
	for _, shell := range []string{"bash", "zsh", "fish", "powershell"} {
		if out, errs, code := relbot(t, "completion", shell); code != exitFine || !strings.Contains(out, "relbot") || len(out) < 1000 {
			t.Errorf("completion %s: exit %d, %d bytes: %s", shell, code, len(out), errs)
		}
	}
	dir := filepath.Join(t.TempDir(), "man1")
	if _, errs, code := relbot(t, "man", dir); code != exitFine {
		t.Fatalf("man: exit %d: %s", code, errs)
	}
	for _, c := range append(program().Commands(), program()) {
		page := "relbot.1"
		if c.HasParent() {
			page = "relbot-" + c.Name() + ".1"
		}
		if text, err := os.ReadFile(filepath.Join(dir, page)); c.Name() != "help" && (err != nil || !strings.Contains(string(text), ".TH")) {
			t.Errorf("%s: %v", page, err)
		}
	}
}
